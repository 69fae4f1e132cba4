"""Timing an engine: first run, warm-up until steady, then the samples. Returns raw nanoseconds and judges nothing.

`docs/measuring.md` gives the reasons. Only `invoke` is timed. Between two timed runs the next input is set and, at most
once a second, the clocks and thermometers are read; during one nothing else of ours runs.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_PROTOCOL: dict[str, Any] = {
    "min_runs": 50,  # samples and seconds: both must be reached ...
    "min_seconds": 1.0,
    "max_seconds": 60.0,  # ... unless this has passed, or max_runs samples are in
    "max_runs": 100_000,
    "max_samples": 100_000,  # kept of a measurement with more runs: every second, fourth, ... one, evenly
    "warmup_window": 5,  # steady: the medians of two windows of so many runs in a row ...
    "warmup_tolerance": 0.02,  # ... differ by less than this fraction
    "warmup_max_runs": 500,
    "warmup_max_seconds": 15.0,
    "inputs": 8,  # how many different inputs take turns
    "seed": 0,
    "cpus": None,  # CPUs to pin the process to, or None
    "energy": False,  # whether to estimate it afterwards, where there is a sensor
    "cool_below_c": 65.0,  # wait before the start until every thermometer is below this ...
    "cool_max_seconds": 300.0,  # ... at most so long
}
SENSOR_SECONDS = 1.0
COOLING_SECONDS = 2.0
Clock = Callable[[], int]


def complete_protocol(protocol: dict[str, Any]) -> dict[str, Any]:
    """The protocol with its defaults filled in. Raises ValueError for a word that it does not have."""
    unknown = sorted(set(protocol) - set(DEFAULT_PROTOCOL))
    if unknown:
        raise ValueError(f"latency protocol: unknown {', '.join(unknown)}; known: {', '.join(DEFAULT_PROTOCOL)}")
    return {**DEFAULT_PROTOCOL, **protocol}


def measure(
    invoke: Callable[[], Any],
    set_input: Callable[[int], None],
    protocol: dict[str, Any],
    *,
    clock: Clock = time.perf_counter_ns,
    read_sensors: Callable[[], dict[str, Any]] = dict,
    on_progress: Callable[[dict[str, Any]], None] = lambda progress: None,
) -> dict[str, Any]:
    """Time `invoke` by the protocol. `set_input(i)` prepares run i, untimed."""
    timer = _Timer(invoke, set_input, clock)
    with garbage_collector_off():
        first_run_ns = timer.run()
        on_progress({"stage": "warm-up", "done": 0})
        warmup_ns, steady = _warm_up(timer, protocol, clock)
        samples_ns, every, during = _sample(timer, protocol, clock, read_sensors, on_progress)
    return {
        "first_run_ns": first_run_ns,
        "warmup_ns": warmup_ns,
        "steady": steady,
        "samples_ns": samples_ns,
        "sampled_every": every,
        "during": during,
    }


class _Timer:
    """Runs and times one inference after another, each on the next input."""

    def __init__(self, invoke: Callable[[], Any], set_input: Callable[[int], None], clock: Clock) -> None:
        self._invoke, self._set_input, self._clock, self._position = invoke, set_input, clock, 0

    def run(self) -> int:
        invoke, clock = self._invoke, self._clock
        self._set_input(self._position)
        self._position += 1
        started = clock()
        invoke()
        return clock() - started


def _warm_up(timer: _Timer, protocol: dict[str, Any], clock: Clock) -> tuple[list[int], bool]:
    """Run until steady or a limit; says whether it became steady."""
    window, tolerance = protocol["warmup_window"], protocol["warmup_tolerance"]
    limit = clock() + int(protocol["warmup_max_seconds"] * 1e9)
    runs: list[int] = []
    while not is_steady(runs, window=window, tolerance=tolerance):
        if len(runs) >= protocol["warmup_max_runs"] or clock() >= limit:
            return runs, False
        runs.append(timer.run())
    return runs, True


def is_steady(runs_ns: Sequence[int], *, window: int, tolerance: float) -> bool:
    """Whether the medians of the last two windows differ by less than `tolerance`, a fraction of the later one."""
    if len(runs_ns) < 2 * window:
        return False
    earlier = statistics.median(runs_ns[-2 * window : -window])
    later = statistics.median(runs_ns[-window:])
    return abs(earlier - later) <= tolerance * later


def _sample(
    timer: _Timer,
    protocol: dict[str, Any],
    clock: Clock,
    read_sensors: Callable[[], dict[str, Any]],
    on_progress: Callable[[dict[str, Any]], None],
) -> tuple[list[int], int, list[dict[str, Any]]]:
    """The samples, of which runs they are (1: of all), and what was seen between them; `run` counts samples."""
    started = next_reading = clock()
    samples: list[int] = []
    during: list[dict[str, Any]] = []
    runs, every = 0, 1
    while not _enough(runs, (clock() - started) / 1e9, protocol):
        if clock() >= next_reading:
            during.append({"run": len(samples), **read_sensors()})
            on_progress({"stage": "timing", "done": _fraction_done(runs, (clock() - started) / 1e9, protocol), "of": 1})
            next_reading = clock() + int(SENSOR_SECONDS * 1e9)
        taken = timer.run()
        if runs % every == 0:
            samples.append(taken)
        runs += 1
        if len(samples) > protocol["max_samples"]:
            samples, every = samples[::2], 2 * every
            during = [{**seen, "run": (seen["run"] + 1) // 2} for seen in during]
    return samples, every, during


def _enough(runs: int, seconds: float, protocol: dict[str, Any]) -> bool:
    """Both minima to stop, either maximum to stop early."""
    if runs >= protocol["max_runs"] or (runs > 0 and seconds >= protocol["max_seconds"]):
        return True
    return bool(runs >= protocol["min_runs"] and seconds >= protocol["min_seconds"])


def _fraction_done(runs: int, seconds: float, protocol: dict[str, Any]) -> float:
    """Of the minimum that takes longer."""
    by_runs: float = runs / protocol["min_runs"]
    return min(1.0, by_runs, seconds / protocol["min_seconds"] if protocol["min_seconds"] else 1.0)


def cool_down(
    temperatures: Callable[[], dict[str, float] | None],
    *,
    below_c: float,
    max_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Callable[[dict[str, Any]], None] = lambda progress: None,
) -> float:
    """Wait until no thermometer reads `below_c` or more, or for `max_seconds`; how long it took. No sensor, no wait."""
    started = clock()
    while max((temperatures() or {}).values(), default=-273.0) >= below_c and clock() - started < max_seconds:
        on_progress({"stage": "cooling", "done": int(clock() - started), "of": int(max_seconds)})
        sleep(COOLING_SECONDS)
    return clock() - started


@contextmanager
def garbage_collector_off() -> Iterator[None]:
    """A collection in the middle of a run would be timed as part of it."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def random_images(count: int, *, height: int, width: int, channels: int, seed: int) -> NDArray[Any]:
    """(count, height, width, channels) uint8 noise: real pixel values, the same for the same seed."""
    shape = (count, height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
