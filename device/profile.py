"""What each operator of an artifact costs, by timing prefixes of its graph.

The Python interpreters of the runtimes do not time single operators, so the graph is cut off behind its first,
second, ... operator, and each piece is timed in the same process and interleaved with the others. What follows from the
differences between neighbours is the host's to say (harness/devices/operator_costs.py).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

from . import flatbuffer, inputs, latency, runtimes

Progress = Callable[[dict[str, Any]], None]


def profile(path: str, *, runs: int, on_progress: Progress, **how: Any) -> dict[str, Any]:
    """{"method", "runtime", ..., "prefix_ns": one for each operator}, shortest of `runs` interleaved runs.

    how  what runtimes.load takes: runtime, num_threads, library, inputs. Raises ValueError for a signature.
    """
    if (how.get("inputs") or {}).get("signature"):
        raise ValueError("a profile covers only the main graph, and not another signature")
    content = flatbuffer.read(path)
    count = len(flatbuffer.operators(content))
    if not count:
        raise ValueError("its main graph has no operators, so there is nothing to profile")
    engines = [_engine(flatbuffer.prefix(content, n + 1), how) for n in range(count)]
    times: list[list[int]] = [[] for _ in engines]
    with latency.garbage_collector_off():
        for run in range(runs + 1):  # the first round warms up
            for engine, taken in zip(engines, times):
                taken.append(_time(engine))
            on_progress({"stage": "profile", "done": run, "of": runs})
    return {
        "method": "prefix timing",
        "runtime": engines[-1].runtime,
        "runtime_version": engines[-1].version,
        "delegate": engines[-1].delegate,
        # what disturbs a run only ever adds, and differences double it
        "prefix_ns": [min(taken[1:]) for taken in times],
    }


def _engine(content: bytes, how: dict[str, Any]) -> Any:
    """A loaded piece. Its file may go: the runtimes have read or mapped it."""
    with tempfile.NamedTemporaryFile(suffix=".tflite", delete=False) as file:
        file.write(content)
    try:
        engine = runtimes.load(file.name, **how)
    finally:
        os.remove(file.name)
    engine.set_inputs(inputs.measurement_inputs(engine.inputs, how.get("inputs") or {}, count=1, seed=0)[0])
    return engine


def _time(engine: Any) -> int:
    started = time.perf_counter_ns()
    engine.invoke()
    return time.perf_counter_ns() - started
