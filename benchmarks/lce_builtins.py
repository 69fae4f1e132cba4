"""Which builtin operators the delegate does faster than the runtime: every stretch between binary operators, both ways.

    python benchmarks/lce_builtins.py [--json] [--networks QuickNet ...] [--rounds 100]

The same model runs with fuse=0, which leaves all builtin operators to the runtime, and as usual, in turns, with one
thread and the option trace=1. A stretch lasts from the end of one binary operator to the start of the next that nothing
else lies between; in the second run it is what the delegate does there itself and what is left between its
partitions. By the clock, so the table shows the tenth percentile of the rounds: a busy machine only makes them longer.
Additions and quantizations that a convolution does on its way cost no time of their own in the second run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.lce_contenders import INPUT_SHAPE, MODELS, RUNTIME, make_models
from device import trace
from harness.native.build import host_library

BINARY = "LceBconv2d"
Stretches = dict[int, list[float]]  # node of the binary convolution before it, -1 for none -> microseconds per round


def measure(model: Path, library: str, *, rounds: int) -> tuple[Stretches, Stretches]:
    """The runtime's, and ours."""
    runs = [_ready(model, library, fuse=fuse) for fuse in (0, 1)]
    found: tuple[Stretches, Stretches] = defaultdict(list), defaultdict(list)
    for _ in range(rounds):
        for run, stretches in zip(runs, found):
            run()
            trace.take(library)
            started = time.perf_counter_ns()
            run()
            ended = time.perf_counter_ns()
            for node, lasted in stretches_of(trace.with_gaps(trace.take(library), started, ended)).items():
                stretches[node].append(lasted / trace.US)
    return found


def stretches_of(events: Sequence[trace.Event]) -> dict[int, int]:
    """Nanoseconds that an inference spends behind each binary convolution, outside of binary convolutions."""
    binary = sorted((event.started, event.node) for event in events if event.what == BINARY)
    lasted: dict[int, int] = defaultdict(int)
    for event in events:
        if event.what == BINARY or (event.node < 0 and event.what != trace.BETWEEN):
            continue
        place = bisect_right(binary, (event.started, event.node)) - 1
        lasted[binary[place][1] if place >= 0 else -1] += event.lasted
    return dict(lasted)


def _ready(model: Path, library: str, *, fuse: int) -> Any:
    runtime = importlib.import_module(RUNTIME)
    delegate = runtime.load_delegate(library, {"trace": 1, "fuse": fuse})
    interpreter = runtime.Interpreter(str(model), experimental_delegates=[delegate], num_threads=1)
    interpreter.allocate_tensors()
    image = np.random.default_rng(0).normal(size=INPUT_SHAPE).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    return interpreter.invoke


def tenth(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 10]


def print_table(model: str, theirs: Stretches, ours: Stretches) -> None:
    print(f"{model:24s} {'the runtime, us':>16s} {'taken over, us':>16s} {'times':>7s}")
    for node in sorted(theirs):
        a, b = tenth(theirs[node]), tenth(ours.get(node, [0.0]))
        name = "from the start" if node < 0 else f"behind {BINARY} {node}"
        print(f"  {name:22s} {a:16.1f} {b:16.1f}" + (f" {a / b:7.2f}" if b else ""))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print only {ratios, figures}; figures are microseconds")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--networks", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-benchmark-models")
    options = parser.parse_args(arguments)
    make_models(options.models, options.networks)
    ratios, figures = {}, {}
    for name in options.networks:
        found = measure(options.models / f"{name}.tflite", str(host_library()), rounds=options.rounds)
        sums = [sum(tenth(of) for of in stretches.values()) for stretches in found]
        ratios[f"{name.lower()}_builtins"] = round(sums[0] / sums[1], 3)
        figures |= {f"{name}, the runtime": round(sums[0], 1), f"{name}, taken over": round(sums[1], 1)}
        if not options.json:
            print_table(name, *found)
            print(f"  {'sum':22s} {sums[0]:16.1f} {sums[1]:16.1f} {sums[0] / sums[1]:7.2f}\n")
    if options.json:
        print(json.dumps({"ratios": ratios, "figures": figures}))
    else:
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
