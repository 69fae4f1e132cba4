"""How QuickNet with our operators scales with threads, beside the same model in floats with XNNPACK.

    python benchmarks/threads.py [--json] [--rounds 15] [--threads 1 2 4] [--library FILE] [--models FOLDER]

Whole inferences by the clock: rounds in which every contender runs 25 times in a row, in a shuffled order; the median
of the last 20 counts. A ratio is taken within each round; the table shows the rounds' median with a 95 % interval. It
takes as many idle cores as threads. With --library and --models it needs nothing of this checkout but this file, and
NumPy and ai-edge-litert: the library that device/lce_ops/build.py makes, and QuickNet.tflite and QuickNetFloat.tflite,
which benchmarks/lce_ops.py leaves in its folder of models.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OURS, FLOATS = "our operators", "floats, XNNPACK"
FILES = {OURS: "QuickNet.tflite", FLOATS: "QuickNetFloat.tflite"}
COUNTS = (1, 2, 4, 8, 16)
WARM_UP, CALLS = 5, 20  # in a row, as in a program that infers again and again: cores that slept start slowly

# What the operators must keep where there are as many cores: threads -> how many times faster than one.
FLOORS = {2: 1.85, 4: 3.2, 8: 5.0}

Contender = tuple[str, int]
Times = dict[Contender, list[float]]


@dataclass(frozen=True)
class Ratio:
    """How many times faster: the median over rounds, with its 95 % interval."""

    median: float
    low: float
    high: float


def interpreters(counts: Sequence[int], library: Path, models: Path) -> dict[Contender, Callable[[], None]]:
    from ai_edge_litert.interpreter import Interpreter, load_delegate

    def ready(contender: str, threads: int) -> Callable[[], None]:
        delegates = [load_delegate(str(library))] if contender == OURS else []
        path = str(models / FILES[contender])
        interpreter = Interpreter(path, experimental_delegates=delegates, num_threads=threads)
        interpreter.allocate_tensors()
        details = interpreter.get_input_details()[0]
        image = np.random.default_rng(0).normal(size=details["shape"]).astype(np.float32)
        interpreter.set_tensor(details["index"], image)
        return interpreter.invoke  # type: ignore[no-any-return]

    return {(contender, threads): ready(contender, threads) for contender in FILES for threads in counts}


def measure(contenders: dict[Contender, Callable[[], None]], *, rounds: int, seed: int = 0) -> Times:
    """Milliseconds of each contender in each round."""
    order, shuffle = list(contenders), random.Random(seed).shuffle
    times: Times = {contender: [] for contender in order}
    for _ in range(rounds):
        shuffle(order)
        for contender in order:
            taken = [milliseconds(contenders[contender]) for _ in range(WARM_UP + CALLS)]
            times[contender].append(statistics.median(taken[WARM_UP:]))
    return times


def milliseconds(run: Callable[[], None]) -> float:
    started = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - started) / 1e6


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Ratio:
    """Taken within each round. The interval is that of a median by order statistics, normal approximation of ranks."""
    ratios = sorted(s / f for s, f in zip(slow, fast))
    n = len(ratios)
    reach = 1.96 * math.sqrt(n) / 2
    low, high = max(0, math.floor(n / 2 - reach)), min(n - 1, math.ceil(n / 2 + reach))
    return Ratio(statistics.median(ratios), ratios[low], ratios[high])


def scaling(times: Times, contender: str) -> dict[int, Ratio]:
    """Threads -> how many times faster than one."""
    one = times[contender, 1]
    return {threads: ratio(one, of) for (name, threads), of in times.items() if name == contender and threads > 1}


def print_table(times: Times) -> None:
    print(f"{cores()} cores, {processor()}; {len(times[OURS, 1])} rounds")
    print(f"{'':18s} {'threads':>7s} {'ms':>8s}  times one thread   95 % interval  floor")
    for (contender, threads), of in times.items():
        line = f"{contender:18s} {threads:7d} {statistics.median(of):8.3f}"
        if threads > 1:
            r = scaling(times, contender)[threads]
            floor = FLOORS.get(threads, "") if contender == OURS else ""
            line += f"  {r.median:16.2f}   {r.low:5.2f} - {r.high:5.2f}  {floor}"
        print(line)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def as_json(times: Times) -> dict[str, dict[str, float]]:
    """Ratios by name, and medians in milliseconds."""
    names = {OURS: "quicknet", FLOATS: "float"}
    return {
        "ratios": {
            f"{name}_{threads}_threads": round(r.median, 3)
            for contender, name in names.items()
            for threads, r in scaling(times, contender).items()
        },
        "figures": {
            f"{name}, {threads} threads, ms": round(statistics.median(of), 3) for (name, threads), of in times.items()
        },
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print only {ratios, figures}; figures are milliseconds")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", help="one and these; default: 2, 4, 8, 16 as cores allow")
    parser.add_argument("--library", type=Path, help="default: built from this checkout")
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-benchmark-models")
    options = parser.parse_args(arguments)
    counts = sorted({1, *(options.threads or [n for n in COUNTS if n <= cores()])})
    if not options.library or not all((options.models / name).exists() for name in FILES.values()):
        prepare(options)
    times = measure(interpreters(counts, options.library, options.models), rounds=options.rounds)
    if options.json:
        print(json.dumps(as_json(times)))
    else:
        print_table(times)
    return 0


def prepare(options: Any) -> None:
    """Builds the library and converts the models, which needs the whole checkout and its packages."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.lce_contenders import make_models
    from harness.native.build import host_library

    options.library = options.library or host_library()
    make_models(options.models, ["QuickNet"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
