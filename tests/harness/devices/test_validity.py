"""Every rule of validity, on a record that is valid but for one thing."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from harness.devices.identity import identity
from harness.devices.validity import RULES, SPREAD_SUSPECT, Validity, judge, worst
from reports.data import rounds as reported

SNAPSHOT = {
    "uptime_s": 100.0,
    "governors": ["performance"],
    "temperatures_c": {"cpu": 50.0},
    "throttled_bits": 0x50000,  # old under-voltage, before this run
    "swap_used_bytes": 0,
}
GOOD: dict[str, Any] = {
    "samples_ns": [1000] * 60,
    "warmup_ns": [1000] * 10,
    "steady": True,
    "num_threads": 1,
    "emulated": False,
    "protocol": {"min_runs": 50},
    "machine": {"cpus": 4},
    "circumstances": {
        "before": {
            **SNAPSHOT,
            "monotonic_ns": 0,
            "own_cpu_seconds": 1.0,
            "cpu_seconds": {"busy": 10.0, "idle": 100.0, "stolen": 0.0},
        },
        "during": [{"clocks_khz": [600000]}, {"clocks_khz": [1500000, 600000]}, {"clocks_khz": [1500000]}],
        "after": {
            **SNAPSHOT,
            "monotonic_ns": 10 * 10**9,
            "own_cpu_seconds": 11.0,
            "cpu_seconds": {"busy": 20.5, "idle": 129.5, "stolen": 0.0},
        },
    },
}


def spoiled(**changes: Any) -> dict[str, Any]:
    """The good record with values replaced; "after__cpu_seconds__busy" goes into the measurement conditions."""
    record = copy.deepcopy(GOOD)
    for path, value in changes.items():
        target, keys = record, path.split("__")
        if keys[0] in ("before", "during", "after"):
            target = record["circumstances"]
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = value
    return record


def test_a_good_record_is_valid_and_has_no_reason() -> None:
    assert judge(GOOD) == Validity(level="valid", reason="")


@pytest.mark.parametrize(
    ("changes", "level", "reason"),
    [
        ({"emulated": True}, "invalid", "emulated"),
        ({"samples_ns": [1000] * 4}, "invalid", "too few samples: 4, and the median needs 5"),
        ({"samples_ns": [1000] * 49}, "suspect", "too few samples: 49 of 50"),
        ({"steady": False}, "suspect", "not steady after 10 warm-up runs"),
        (
            {"samples_ns": [1000] * 40 + [1100] * 20},
            "suspect",
            r"drifting: the last third took 10% longer than the first",
        ),
        (
            {"samples_ns": [1000] * 40 + [1300] * 20},
            "invalid",
            r"drifting: the last third took 30% longer than the first",
        ),
        ({"samples_ns": [1100] * 20 + [1000] * 40}, "suspect", r"drifting: the last third took 9% less than the first"),
        ({"after__throttled_bits": 0x50001}, "invalid", "throttled: under-voltage$"),
        ({"after__throttled_bits": 0xD0000}, "invalid", "throttled: soft temperature limit$"),
        ({"after__throttled_bits": 0x50006}, "invalid", "throttled: clock capped, throttled$"),
        ({"after__cpu_seconds__busy": 25.0}, "suspect", "other load: other processes kept 0.5 of 4 CPUs busy"),
        ({"after__cpu_seconds__busy": 60.0}, "invalid", "other load: other processes kept 4.0 of 4 CPUs busy"),
        ({"after__cpu_seconds__stolen": 5.0}, "suspect", "virtual machine: 11% of the CPU time"),
        (
            {"during": [{}, {"clocks_khz": [1500000]}, {"clocks_khz": [1000000]}]},
            "suspect",
            "between 1000 and 1500 MHz",
        ),
        ({"after__temperatures_c": {"cpu": 81.0, "gpu": 40.0}}, "suspect", "hot: cpu at 81 °C"),
        ({"before__governors": ["powersave"]}, "suspect", "governor powersave"),
        ({"machine__virtual_machine": "kvm"}, "suspect", r"virtual machine \(kvm\): other load on its host"),
        ({"machine__container": "docker"}, "valid", r"in a container \(docker\)"),
        ({"after__swap_used_bytes": 5 << 20}, "suspect", "swapping: 5 MiB"),
    ],
)
def test_each_rule_finds_its_fault(changes: dict[str, Any], level: str, reason: str) -> None:
    validity = judge(spoiled(**changes))
    assert validity.level == level
    assert re.search(reason, validity.reason), validity.reason


IDLE = {"operators": 31, "taken": {"libedgetpu.so.1": 0, "XNNPACK": 31}}


@pytest.mark.parametrize(
    ("options", "delegation", "reason"),
    [
        ({"delegate": "/usr/lib/libedgetpu.so.1"}, IDLE, "delegate libedgetpu.so.1 took 0 of 31 operators"),
        ({"xnnpack": True}, {"operators": 5, "taken": {"XNNPACK": 0}}, "delegate XNNPACK took 0 of 5 operators"),
        ({"delegate": "libedgetpu.so.1"}, {**IDLE, "taken": {"libedgetpu.so.1": 1}}, ""),
        ({"xnnpack": False}, {"operators": 5, "taken": {"XNNPACK": 0}}, ""),  # as was asked for
        ({"delegate": "libedgetpu.so.1"}, {**IDLE, "taken": {"libedgetpu.so.1": None}}, ""),  # not known
        ({"delegate": "libedgetpu.so.1"}, None, ""),
        (None, {"operators": 5, "taken": {"XNNPACK": 0}}, ""),
    ],
)
def test_a_delegate_that_was_asked_for_and_took_nothing_is_suspect(options: Any, delegation: Any, reason: str) -> None:
    validity = judge({**GOOD, "options": options, "delegation": delegation})
    assert (validity.level, validity.reason) == ("suspect" if reason else "valid", reason)


def test_sticky_bits_from_before_the_run_are_not_its_fault() -> None:
    assert judge(spoiled(before__throttled_bits=0xF0000, after__throttled_bits=0xF0000)).level == "valid"


def test_the_clock_of_the_idle_machine_before_the_start_does_not_count() -> None:
    assert GOOD["circumstances"]["during"][0]["clocks_khz"] == [600000]
    assert judge(GOOD).level == "valid"


def test_missing_sources_are_not_a_fault() -> None:
    record = copy.deepcopy(GOOD)
    record["circumstances"] = {
        "before": {"monotonic_ns": 0, "own_cpu_seconds": 0.0},
        "during": [],
        "after": {"monotonic_ns": 1, "own_cpu_seconds": 0.0},
    }
    assert judge(record).level == "valid"


def test_the_worst_finding_decides_and_names_all_of_its_severity() -> None:
    validity = judge(spoiled(steady=False, after__throttled_bits=0x50001, before__governors=["powersave"]))
    assert validity == Validity(level="invalid", reason="throttled: under-voltage")
    both = judge(spoiled(steady=False, before__governors=["powersave"]))
    assert both.reason == "not steady after 10 warm-up runs; governor powersave"


def test_of_several_records_the_worst_decides() -> None:
    levels = ("valid", "invalid", "suspect")
    records = [Validity(level=level, reason=f"because {level}").as_fields() for level in levels]
    assert worst(records) == Validity(level="invalid", reason="because invalid")


@pytest.mark.parametrize(
    ("medians", "level", "reason"),
    [
        ([1000, 1000, 1500], "suspect", "rounds differ: their medians by 50%"),
        ([1000, 1120], "suspect", "rounds differ: their medians by 11%"),
        ([1000, 1080, 1050], "valid", ""),
        ([1000], "valid", ""),
    ],
)
def test_rounds_that_differ_make_a_row_suspect_though_each_is_valid(
    medians: list[int], level: str, reason: str
) -> None:
    """The guest of a busy host saw nothing, and one latency was half as long again."""
    rounds = [{"samples_ns": [ns] * 9, **Validity(level="valid").as_fields()} for ns in medians]
    assert worst(rounds) == Validity(level=level, reason=reason)
    assert reported.together(rounds) == (level, reason)  # the reports' own words for the same


def test_the_spread_of_rounds_is_said_beside_other_reasons_and_makes_no_invalid_one_better() -> None:
    for level, reason in (("suspect", "rounds differ: their medians by 67%; hot"), ("invalid", "hot")):
        rounds = [{"samples_ns": [ns] * 9, **Validity(level=level, reason="hot").as_fields()} for ns in (1000, 2000)]
        assert worst(rounds) == Validity(level=level, reason=reason)
        assert reported.together(rounds) == (level, reason)


def test_rounds_of_different_boards_are_no_row_of_one() -> None:
    """An address was given to another Pi; that one was only rebooted."""
    pi4 = {"board": "Raspberry Pi 4 Model B Rev 1.4", "revision": "c03114", "boot_id": "3d7c66f4-11"}
    rounds = [
        {"samples_ns": [1000] * 9, "machine": machine, **Validity(level="valid").as_fields()}
        for machine in (pi4, {**pi4, "boot_id": "aaaaaaaa-11"}, {**pi4, "revision": "d03114"})
    ]
    assert worst(rounds[:2]).level == "valid"
    found = worst(rounds)
    assert found.level == "suspect"
    assert found.reason == (
        "rounds of different boards: Raspberry Pi 4 Model B Rev 1.4 (c03114), Raspberry Pi 4 Model B Rev 1.4 (d03114)"
    )
    assert reported.together(rounds) == (found.level, found.reason)
    assert (
        reported.board_of(pi4, boot=True) == identity(pi4) == "Raspberry Pi 4 Model B Rev 1.4 (c03114), boot 3d7c66f4"
    )


def test_the_bound_of_the_spread_is_one() -> None:
    assert reported.SPREAD_SUSPECT == SPREAD_SUSPECT


def test_judging_changes_nothing() -> None:
    before = copy.deepcopy(GOOD)
    for rule in RULES:
        list(rule(GOOD))
    assert before == GOOD
