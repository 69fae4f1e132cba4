"""How QuickNet with our operators scales with threads, beside the same model in floats with XNNPACK.

    python benchmarks/threads.py [--quick] [--json] [--save] [--threads 1 2 4] [--library FILE] [--models FOLDER]

Whole inferences by the clock: a round has 25 of each contender in a row, and the median of the last 20 counts. It takes
as many idle cores as threads. With --library and --models it needs no package but NumPy and ai-edge-litert: the library
that device/lce_ops/build.py makes, and QuickNet.tflite and QuickNetFloat.tflite, which benchmarks/lce_ops.py leaves in
its folder of models.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch, cores
from benchmarks.ratios import Comparison, Limits, Samples, Turns, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive_int, publish

OURS, FLOATS = "our operators", "floats, XNNPACK"
FILES = {OURS: "QuickNet.tflite", FLOATS: "QuickNetFloat.tflite"}
COUNTS = (1, 2, 4, 8, 16)
WARM_UP, CALLS = 5, 20  # in a row, as in a program that infers again and again: cores that slept start slowly

# What the operators must keep where there are as many cores: threads -> how many times faster than one.
FLOORS = {2: 1.85, 4: 3.2, 8: 5.0}

Ratios = Callable[[Samples], list[float]]
NAMES = {OURS: "quicknet", FLOATS: "float"}


def interpreters(counts: Sequence[int], library: Path, models: Path) -> dict[str, Callable[[], None]]:
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

    return {named(contender, threads): ready(contender, threads) for contender in FILES for threads in counts}


def named(contender: str, threads: int) -> str:
    return f"{contender}, {threads} threads"


def milliseconds(run: Callable[[], None]) -> Callable[[], float]:
    def measured() -> float:
        taken = []
        for _ in range(WARM_UP + CALLS):
            started = time.perf_counter_ns()
            run()
            taken.append((time.perf_counter_ns() - started) / 1e6)
        return statistics.median(taken[WARM_UP:])

    return measured


def scaling(counts: Sequence[int]) -> dict[str, Comparison]:
    """One thread over each other number of them, and that of ours over that of the floats."""
    comparisons = {}
    for threads in counts[1:]:
        what = f"{threads} threads over one" + ", more than there are cores" * (threads > cores())
        each = {contender: over(named(contender, 1), named(contender, threads)) for contender in FILES}
        for contender, faster in each.items():
            comparisons[f"{NAMES[contender]}_{threads}_threads"] = Comparison(faster, f"QuickNet, {contender}: {what}")
        comparisons[f"quicknet_over_float_{threads}_threads"] = Comparison(
            partial(_of_each, each[OURS], each[FLOATS]), f"{what}: ours over what the floats gain"
        )
    return comparisons


def _of_each(ours: Ratios, floats: Ratios, samples: Samples) -> list[float]:
    return [gain / other for gain, other in zip(ours(samples), floats(samples), strict=True)]


def tables(turns: Turns, counts: Sequence[int]) -> list[Table]:
    """What was measured, and what this machine cannot prove."""
    rows = [[str(n), *(f"{turns.median(named(contender, n)):.3f}" for contender in FILES)] for n in counts]
    measured = Table("Milliseconds of one inference", ["threads", *FILES], rows)
    unproven = [[str(threads), str(floor)] for threads, floor in FLOORS.items() if threads > cores()]
    title = "Unproven here, for want of cores: times faster than with one thread"
    return [measured, *([Table(title, ["threads", "at least"], unproven)] if unproven else [])]


def main(arguments: list[str]) -> int:
    parser = parser_of(__doc__, Limits(width=0.05, least_rounds=15, most_rounds=120, most_seconds=180))
    parser.add_argument(
        "--threads", type=positive_int, nargs="+", help="one and these; default: 2, 4, 8, 16 as cores allow"
    )
    parser.add_argument("--library", type=Path, help="default: built from this checkout")
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-benchmark-models")
    options = parser.parse_args(arguments)
    counts = sorted({1, *(options.threads or [n for n in COUNTS if n <= cores()])})
    if not options.library or not all((options.models / name).exists() for name in FILES.values()):
        prepare(options)
    watch = Watch()
    runs = interpreters(counts, options.library, options.models)
    contenders = {name: milliseconds(run) for name, run in runs.items()}
    turns = take_turns(contenders, scaling(counts), limits_of(options), between=watch.look, label="threads")
    floors = {f"{NAMES[OURS]}_{threads}_threads": floor for threads, floor in FLOORS.items() if threads <= cores()}
    floors["quicknet_over_float_4_threads"] = 0.9
    ratios = {name: replace(ratio, floor=floors.get(name)) for name, ratio in turns.ratios.items()}
    figures = {f"{name}, ms": round(turns.median(name), 3) for name in contenders}
    publish(options, watch, ratios=ratios, figures=figures, tables=tables(turns, counts))
    return 0


def prepare(options: Any) -> None:
    """Builds the library and converts the models, which needs the whole checkout and its packages."""
    from benchmarks.lce_contenders import make_models
    from harness.native.build import host_library

    options.library = options.library or host_library()
    make_models(options.models, ["QuickNet"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
