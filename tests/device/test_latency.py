"""The order and the bounds of a measurement, on a clock that only moves when something runs."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from device import latency

PROTOCOL = latency.complete_protocol({"min_runs": 10, "min_seconds": 0.0, "max_seconds": 1000.0, "warmup_window": 3})


class Machine:
    """A clock in nanoseconds, and an inference that takes the next of the given times."""

    def __init__(self, durations_ns: Iterable[int]) -> None:
        self.now, self.inputs, self.runs = 0, [], 0
        self._durations = iter(durations_ns)

    def clock(self) -> int:
        return self.now

    def set_input(self, position: int) -> None:
        self.inputs.append(position)
        self.now += 7  # preparing an input takes time too, which must not be counted

    def invoke(self) -> None:
        self.runs += 1
        self.now += next(self._durations)

    def measure(self, protocol: dict[str, Any], **more: Any) -> dict[str, Any]:
        return latency.measure(self.invoke, self.set_input, protocol, clock=self.clock, **more)


def test_first_run_warm_up_and_samples_are_kept_apart() -> None:
    result = Machine([900, 500, 300, *[100] * 100]).measure(PROTOCOL)
    assert result["first_run_ns"] == 900
    assert result["warmup_ns"][:2] == [500, 300]
    assert result["samples_ns"] == [100] * 10


def test_warm_up_ends_when_two_windows_agree() -> None:
    result = Machine([900, *[200] * 3, *[100] * 100]).measure(PROTOCOL)
    assert result["steady"]
    # medians of (200, 200, 100) and (100, 100, 100) differ; one run later (200, 100, 100) and (100, 100, 100) agree
    assert result["warmup_ns"] == [200, 200, 200, *[100] * 5][: len(result["warmup_ns"])]
    assert len(result["warmup_ns"]) == 8


def test_warm_up_that_never_becomes_steady_stops_at_its_limit() -> None:
    durations = itertools.count(1000, 500)
    result = Machine(durations).measure({**PROTOCOL, "warmup_max_runs": 20})
    assert not result["steady"]
    assert len(result["warmup_ns"]) == 20


def test_warm_up_stops_at_its_time_limit() -> None:
    durations = (10**9 * n for n in itertools.count(1))
    result = Machine(durations).measure({**PROTOCOL, "warmup_max_seconds": 5.0, "min_runs": 1})
    assert not result["steady"]
    assert len(result["warmup_ns"]) == 2  # 2 s and 3 s


def test_both_minima_must_be_reached() -> None:
    by_runs = Machine(itertools.repeat(10**9)).measure({**PROTOCOL, "min_runs": 8, "min_seconds": 2.0})
    by_seconds = Machine(itertools.repeat(10**9)).measure({**PROTOCOL, "min_runs": 2, "min_seconds": 8.0})
    assert len(by_runs["samples_ns"]) == len(by_seconds["samples_ns"]) == 8


def test_either_maximum_stops_early_but_never_without_a_sample() -> None:
    slow = Machine(itertools.repeat(10**10)).measure({**PROTOCOL, "max_seconds": 1.0})
    many = Machine(itertools.repeat(10)).measure({**PROTOCOL, "max_runs": 4, "min_seconds": 100.0})
    assert len(slow["samples_ns"]) == 1
    assert len(many["samples_ns"]) == 4


def test_a_very_long_measurement_keeps_samples_that_are_evenly_spread() -> None:
    machine = Machine(itertools.chain([1] * 17, itertools.count(1000)))
    limits = {"warmup_max_runs": 16, "min_runs": 100, "max_runs": 100, "max_samples": 10}
    result = machine.measure({**PROTOCOL, **limits, "warmup_window": 8})
    assert result["sampled_every"] == 16
    assert result["samples_ns"] == [1000 + 16 * i for i in range(7)]


def test_sensor_samples_still_find_their_runs_when_some_latencies_are_dropped() -> None:
    second = 10**9 // 4
    machine = Machine(itertools.repeat(second))
    limits = {"min_runs": 80, "max_runs": 80, "max_samples": 16}
    result = machine.measure({**PROTOCOL, **limits})
    assert result["sampled_every"] == 8
    assert [seen["run"] for seen in result["during"]] == [(4 * i + 7) // 8 for i in range(20)]


def test_every_run_has_the_next_input() -> None:
    machine = Machine(itertools.repeat(100))
    machine.measure(PROTOCOL)
    assert machine.inputs == list(range(machine.runs))


def test_setting_the_input_is_not_timed() -> None:
    assert set(Machine(itertools.repeat(100)).measure(PROTOCOL)["samples_ns"]) == {100}


def test_sensors_are_read_at_most_once_a_second_and_between_runs() -> None:
    machine = Machine(itertools.repeat(10**8))
    result = machine.measure({**PROTOCOL, "min_runs": 45}, read_sensors=lambda: {"at": machine.now})
    assert len(result["during"]) == 5
    assert result["during"][0]["run"] == 0
    assert set(result["samples_ns"]) == {10**8}


def test_the_garbage_collector_is_off_while_timing_and_on_again_afterwards() -> None:
    seen = []
    machine = Machine(itertools.repeat(100))
    latency.measure(
        lambda: (seen.append(gc.isenabled()), machine.invoke()), machine.set_input, PROTOCOL, clock=machine.clock
    )
    assert not any(seen)
    assert gc.isenabled()
    with pytest.raises(StopIteration):
        Machine([100]).measure(PROTOCOL)
    assert gc.isenabled()


def test_unknown_word_in_a_protocol_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown runs; known: min_runs, "):
        latency.complete_protocol({"runs": 3})


def test_the_same_seed_gives_the_same_inputs() -> None:
    first, again, other = (latency.random_images(2, height=3, width=4, channels=3, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (2, 3, 4, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_hot_board_is_left_to_cool_and_a_cool_one_is_not() -> None:
    now, readings = [0.0], iter([{"cpu": 80.0}, {"cpu": 70.0, "gpu": 50.0}, {"cpu": 64.0}])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    waited = latency.cool_down(
        lambda: next(readings), below_c=65.0, max_seconds=60.0, clock=lambda: now[0], sleep=sleep
    )
    assert waited == 2 * latency.COOLING_SECONDS
    assert (
        latency.cool_down(lambda: {"cpu": 40.0}, below_c=65.0, max_seconds=60.0, sleep=sleep, clock=lambda: 0.0) == 0.0
    )


def test_cooling_ends_at_its_limit_and_needs_a_thermometer() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    limits = {"below_c": 65.0, "max_seconds": 9.0, "clock": lambda: now[0], "sleep": sleep}
    assert latency.cool_down(lambda: {"cpu": 90.0}, **limits) == 10.0
    assert latency.cool_down(lambda: None, **limits) == 0.0
