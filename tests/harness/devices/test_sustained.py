"""Burst against sustained speed, and whether it changes which artifact is the fastest."""

from __future__ import annotations

from typing import Any

import pytest

from device.latency import complete_protocol
from harness.cli.bench_text import ranking_changed
from harness.devices import client
from harness.devices.device import make_device
from harness.devices.sustained import Sustained, measure_sustained, sustained, sustained_protocol
from harness.experiment.durations import sustained_seconds
from tests.harness.devices.devices_under_test import ARTIFACTS, RECORD

HOST = make_device({"name": "this-host", "kind": "local"})


def sensor_samples(runs_per_second: list[int]) -> list[dict[str, int]]:
    """What is noted once a second: the position of the next run, and the time."""
    positions = [sum(runs_per_second[:second]) for second in range(len(runs_per_second))]
    return [{"run": run, "monotonic_ns": 5 + second * 10**9} for second, run in enumerate(positions)]


def test_a_board_that_slows_down_is_recognised_by_its_last_fifth() -> None:
    cool, hot = [100] * 300, [200] * 300  # 30 s with ten runs in each, then 60 s with five
    speeds = sustained(cool + hot, sensor_samples([10] * 30 + [5] * 61))
    assert speeds == Sustained(burst_ns=100, sustained_ns=200, seconds=90.0)
    assert speeds.slowdown == 2.0


def test_a_short_measurement_says_nothing_about_sustained_speed() -> None:
    assert sustained([10] * 100, sensor_samples([10] * 10)) is None
    assert sustained([], []) is None


def ran(burst_ns: float, sustained_ns: float) -> Sustained:
    return Sustained(burst_ns=burst_ns, sustained_ns=sustained_ns, seconds=60.0)


def test_a_ranking_changes_when_the_fast_one_throttles() -> None:
    steady, throttling = ran(20.0, 20.0), ran(10.0, 30.0)
    assert ranking_changed({"steady": steady, "throttling": throttling})
    assert not ranking_changed({"steady": steady, "same": steady})


def test_artifacts_that_are_equally_fast_have_no_ranking_to_change() -> None:
    assert not ranking_changed({"a": ran(100.0, 104.0), "b": ran(104.0, 100.0)})


def test_heat_is_the_finding_of_a_sustained_measurement_and_not_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowing(*args: Any, protocol: dict[str, Any], **how: Any) -> dict[str, Any]:
        assert protocol == sustained_protocol(90.0, min_runs=30)
        now = {"throttled_bits": 0}
        seen = {"before": now, "during": sensor_samples([10] * 30 + [5] * 61), "after": {"throttled_bits": 0x40004}}
        samples = [100] * 300 + [200] * 300
        complete = complete_protocol(protocol)
        return {"samples_ns": samples, "steady": True, "protocol": complete, "num_threads": 1, "circumstances": seen}

    monkeypatch.setattr(client, "measure", slowing)
    record = measure_sustained(HOST, ARTIFACTS / "float.tflite", seconds=90.0, protocol={"min_runs": 30})
    assert (record["verdict"], record["verdict_reason"]) == ("valid", "")
    assert record["sustained"] == {"burst_ns": 100, "sustained_ns": 200, "seconds": 90.0}


@pytest.mark.parametrize(("text", "seconds"), [("30min", 1800), ("1.5 h", 5400), ("15s", 15)])
def test_durations_have_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert sustained_seconds(text) == seconds


@pytest.mark.parametrize("text", ["30", "min", "-5min", "10s", "0h", "half an hour"])
def test_what_is_not_a_duration_or_not_longer_than_a_burst_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='a duration such as "30min"'):
        sustained_seconds(text)


@pytest.mark.slow
def test_a_long_measurement_on_this_host() -> None:
    what = {"protocol": {"max_samples": 1000}, "preprocessing": RECORD}
    record = measure_sustained(HOST, ARTIFACTS / "float.tflite", seconds=15.0, **what)
    assert 500 <= len(record["samples_ns"]) <= 1000 < 1000 * record["sampled_every"]
    assert 13 <= record["sustained"]["seconds"] <= 17
    assert record["sustained"]["burst_ns"] > 0
