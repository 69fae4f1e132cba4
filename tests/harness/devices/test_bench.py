"""`bitlens bench` on artifacts of which nothing is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.bench_text import as_json, as_text, parse_sustained, parse_threads
from harness.devices.bench import Bench, BenchResult, bench, bench_all
from harness.devices.device import make_device
from harness.errors import ConfigError
from tests.harness.devices.devices_under_test import ARTIFACTS

HOST = make_device({"name": "this-host", "kind": "local"})


def test_every_thread_count_gets_its_rounds_and_its_lines() -> None:
    request = Bench(
        artifact=ARTIFACTS / "int8.tflite", device=HOST, threads=(1, 2), rounds=2, seconds=0.0, profile=True
    )
    results = bench(request)
    assert [result.num_threads for result in results] == [1, 2]
    assert [len(result.records) for result in results] == [2, 2]
    text = as_text({"int8.tflite": results})
    for word in (
        "int8.tflite, 1 thread\n",
        "int8.tflite, 2 threads",
        "load",
        "first run",
        "p50",
        "in 2 fresh processes",
        "SOFTMAX",
        "validity",
    ):
        assert word in text
    assert "p99" not in text  # 100 samples do not support it
    assert json.loads(as_json({"int8.tflite": results}))["int8.tflite"][0]["records"][0]["samples_ns"]


def test_a_round_that_fails_is_a_line_and_never_a_zero() -> None:
    request = Bench(artifact=ARTIFACTS / "float.tflite", device=HOST, rounds=1, runtime="hexagon")
    text = as_text(bench_all([request]))
    assert 'failed    device "this-host": load failed: RuntimeMissing' in text
    assert "p50" not in text


@pytest.mark.parametrize("name", ["\033[31mred", "\u202egnp", "one\ntwo", "\x9b2J", "\udcff"])
def test_a_file_s_name_reaches_no_terminal_as_it_is(name: str) -> None:
    heading, _ = as_text({name: [BenchResult(num_threads=1, records=(), failures=("gone",))]}).splitlines()
    assert heading.startswith(("\\", "one\\n"))
    assert heading.isprintable()


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "empty.tflite"])
def test_what_has_no_bytes_or_no_end_is_refused_before_it_is_sent(path: str, tmp_path: Path) -> None:
    (tmp_path / "empty.tflite").touch()
    with pytest.raises(ConfigError, match=r"is empty|is not a plain file"):
        bench(Bench(artifact=tmp_path / path, device=HOST, rounds=1, seconds=0.0))


def test_the_validity_is_that_of_the_worst_round() -> None:
    records = tuple({"verdict": level, "verdict_reason": f"because {level}"} for level in ("valid", "suspect"))
    assert BenchResult(num_threads=1, records=records, failures=()).validity.reason == "because suspect"
    assert BenchResult(num_threads=1, records=(), failures=("lost",)).validity.level == "invalid"


def test_a_bound_that_the_samples_do_not_support_is_open() -> None:
    record = {"runtime": "ai-edge-litert", "runtime_version": "2.1", "delegate": "none", "emulated": False}
    record |= {"load_ns": 1, "first_run_ns": 1, "peak_rss_bytes": None, "verdict": "valid", "verdict_reason": ""}
    few, more = ({**record, "samples_ns": [n * 10**6 for n in range(1, count + 1)]} for count in (5, 29))
    texts = [as_text({"a": [BenchResult(num_threads=1, records=(row,), failures=())]}) for row in (few, more)]
    assert "p50       3.000 ms\n" in texts[0]
    assert "p50       15.000 ms  [9.000 ms, 21.000 ms]\n" in texts[1]
    assert "p90       27.000 ms  [23.000 ms, open]\n" in texts[1]


def test_a_changed_ranking_is_said() -> None:
    def ran(burst_ns: float, sustained_ns: float) -> list[BenchResult]:
        long = {"burst_ns": burst_ns, "sustained_ns": sustained_ns, "seconds": 1800.0}
        return [BenchResult(num_threads=4, records=(), failures=(), long_record={"sustained": long})]

    changed = as_text({"a": ran(1e6, 3e6), "b": ran(2e6, 2e6)})
    assert changed.endswith("sustained speed changed the ranking of the artifacts, 4 threads")
    assert as_text({"a": ran(1e6, 1e6), "b": ran(2e6, 2e6)}).endswith("kept the ranking of the artifacts, 4 threads")


def test_durations_and_thread_counts_are_parsed_or_refused() -> None:
    assert parse_sustained("30min") == 1800
    assert parse_sustained("") == 0
    assert parse_threads("4,1,4") == (4, 1)
    for text, parse in (("30", parse_sustained), ("1,", parse_threads), ("0", parse_threads), ("two", parse_threads)):
        with pytest.raises(ConfigError, match="expected"):
            parse(text)
