"""What the threads of the operators' delegate did, as its option trace=1 records it: a table and a Chrome trace.

    python3 -m device.trace LIBRARY MODEL [--threads 4] [--runs 50] [--chrome FILE]

runs a model with the library that device/lce_ops/build.py makes. The file opens in chrome://tracing or ui.perfetto.dev.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from . import inputs, latency

US = 1e3  # nanoseconds per microsecond
RUNTIME = "ai_edge_litert.interpreter"
WARM_UP, IN_A_ROW = 5, 20  # inferences; the library keeps the events of many more
BETWEEN, WHOLE = "other operators", "inference"  # events of this module; the library names the others


class _Event(ctypes.Structure):
    """As device/lce_ops/trace.h has it."""

    _fields_ = [
        ("started", ctypes.c_int64),
        ("ended", ctypes.c_int64),
        ("offered", ctypes.c_int64),
        ("pool", ctypes.c_int32),
        ("thread", ctypes.c_int32),
        ("node", ctypes.c_int32),
        ("tasks", ctypes.c_int32),
        ("what", ctypes.c_char * 16),
    ]


@dataclass(frozen=True)
class Event:
    """Something that one thread did from `started` to `ended`: nanoseconds of time.perf_counter_ns() on Linux.

    what     a step of the delegate by its operator's name; "partition": a row of steps; "tasks": one thread's share of
             a step, `tasks` of them, `offered` when they were there to take; or, added here, "inference" and what lies
             between partitions, "other operators"
    thread   0 is the thread that calls the interpreter
    node     the step's place in the model, else -1
    """

    started: int
    ended: int
    what: str
    thread: int = 0
    node: int = -1
    tasks: int = 0
    offered: int = 0

    @property
    def lasted(self) -> int:
        return self.ended - self.started


def take(library: str) -> list[Event]:
    """The events since the last call, of all delegates of this library in this process; call it between inferences."""
    events: list[Event] = []

    def receive(first: Any, count: int) -> None:
        for e in first[:count]:
            events.append(Event(e.started, e.ended, e.what.decode(), e.thread, e.node, e.tasks, e.offered))

    receiver = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Event), ctypes.c_int64)
    ctypes.CDLL(library).lce_trace_take(receiver(receive))
    return sorted(events, key=lambda event: (event.started, -event.ended))


def record(library: str, model: str, *, num_threads: int, runs: int, runtime: str = RUNTIME) -> list[list[Event]]:
    """The events of each of `runs` inferences of a random input: in rows: cores and threads that rest start slowly."""
    module = importlib.import_module(runtime)
    delegate = module.load_delegate(library, {"trace": 1})
    interpreter = module.Interpreter(model, experimental_delegates=[delegate], num_threads=num_threads)
    interpreter.allocate_tensors()
    for details in interpreter.get_input_details():
        random = inputs.random_tensor(details["shape"], np.dtype(details["dtype"]), seed=0)
        interpreter.set_tensor(details["index"], random)
    recorded: list[list[Event]] = []
    with latency.garbage_collector_off():
        while len(recorded) < runs:
            take(library)
            times = [time.perf_counter_ns()]
            for _ in range(WARM_UP + IN_A_ROW):
                interpreter.invoke()
                times.append(time.perf_counter_ns())
            events = take(library)
            for started, ended in list(zip(times, times[1:]))[WARM_UP:]:
                recorded.append(with_gaps((e for e in events if started <= e.started < ended), started, ended))
    return recorded[:runs]


def with_gaps(events: Iterable[Event], started: int, ended: int) -> list[Event]:
    """The events of one inference, and as further ones the inference itself and what is left between partitions."""
    events = list(events)
    partitions = [event for event in events if event.what == "partition"]
    starts = [event.started for event in partitions] + [ended]
    ends = [started] + [event.ended for event in partitions]
    gaps = [Event(end, start, BETWEEN) for end, start in zip(ends, starts)]
    return sorted([*events, *gaps, Event(started, ended, WHOLE)], key=lambda event: (event.started, -event.ended))


def chrome(events: Iterable[Event]) -> dict[str, Any]:
    """The events in Chrome's trace format, one row per thread."""
    return {
        "displayTimeUnit": "ns",
        "traceEvents": [
            {
                "name": event.what if event.node < 0 else f"{event.what} {event.node}",
                "ph": "X",
                "pid": 0,
                "tid": event.thread,
                "ts": event.started / US,
                "dur": event.lasted / US,
                "args": {"tasks": event.tasks, "late_us": (event.started - event.offered) / US} if event.tasks else {},
            }
            for event in events
        ],
    }


@dataclass(frozen=True)
class Row:
    """One step, or one stretch between partitions. Microseconds, medians over the inferences."""

    what: str
    lasts: float
    works: float  # of all threads together
    latest: float  # the last thread that found work: how long after the offer
    waits: float  # the caller, for the others to end
    threads: float  # how many found work
    tasks: float


def rows(inferences: Sequence[Sequence[Event]]) -> list[Row]:
    """The table, in the order of an inference; the last row is the whole of it."""
    found: dict[int, list[Row]] = defaultdict(list)
    for events in inferences:
        steps = [event for event in events if event.node >= 0 or event.what in (BETWEEN, WHOLE)]
        for place, step in enumerate([*(step for step in steps if step.what != WHOLE), steps[0]]):
            found[place].append(_row(step, [event for event in events if event.what == "tasks"]))
    return [_middle(of_place) for of_place in found.values()]


def _row(step: Event, tasks: Sequence[Event]) -> Row:
    shares = [share for share in tasks if step.node >= 0 and step.started <= share.offered <= step.ended]
    own = max((share.ended for share in shares if share.thread == 0), default=step.ended)
    return Row(
        step.what if step.node < 0 else f"{step.what} {step.node}",
        step.lasted / US,
        sum(share.lasted for share in shares) / US,
        max((share.started - share.offered for share in shares), default=0) / US,
        (step.ended - own) / US if shares else 0.0,
        len({share.thread for share in shares}),
        sum(share.tasks for share in shares),
    )


def _middle(same: Sequence[Row]) -> Row:
    numbers = {name: median(getattr(row, name) for row in same) for name in Row.__annotations__ if name != "what"}
    return Row(same[0].what, **numbers)


def table(inferences: Sequence[Sequence[Event]]) -> str:
    columns = ("lasts", 8), ("threads", 8), ("work", 8), ("latest", 7), ("waits", 6), ("tasks", 6)
    lines = [" ".join([f"{'step, microseconds':26s}", *(f"{name:>{width}s}" for name, width in columns)])]
    for row in rows(inferences):
        line = f"{row.what:26s} {row.lasts:8.1f}"
        if row.threads:
            line += f" {row.threads:8.0f} {row.works:8.1f} {row.latest:7.1f} {row.waits:6.1f} {row.tasks:6.0f}"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=lambda name: str(Path(name).resolve()))  # a bare name is looked for elsewhere
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--runtime", default=RUNTIME)
    parser.add_argument("--chrome", type=Path, metavar="FILE", help="write the last inference in Chrome's trace format")
    options = parser.parse_args(arguments)
    how = {"num_threads": options.threads, "runs": options.runs, "runtime": options.runtime}
    inferences = record(options.library, options.model, **how)
    if options.chrome:
        options.chrome.write_text(json.dumps(chrome(inferences[-1])))
    print(table(inferences))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
