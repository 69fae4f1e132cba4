"""How fast the LCE operators are: ratios of whole models, measured side by side in one run.

    python benchmarks/lce_ops.py [--quick] [--json] [--save] [--networks QuickNet ...]
    python benchmarks/lce_ops.py --layers

One thread is measured by the processor time of the calling thread, which other work on the machine does not lengthen;
two threads are measured by the clock. LCE's best setting is the one with the least median. `--layers` times nothing but
QuickNet's four convolutions by themselves, with each kernel: how near they are to what the processor can do. --quick
has QuickNet alone, and no layers. Needs the host's packages and larq-compute-engine; converted models are kept under
--models between runs. The last ratio counts instructions in the aarch64 library's inner loop and needs the cross
compiler and its objdump.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import lce_layers
from benchmarks.conditions import Watch
from benchmarks.lce_contenders import INPUT_SHAPE, MODELS, Run, make_models, model_contenders
from benchmarks.lce_instructions import LCE_PRODUCTS_PER_INSTRUCTION, aarch64_products_per_instruction
from benchmarks.ratios import Comparison, Limits, Ratio, Turns, best_over, counted, least, over, take_turns
from benchmarks.results import Table, aligned, limits_of, parser_of, publish

# Ratios that the operators must keep: name -> floor.
FLOORS = {
    "quicknet_vs_lce_best": 5.0,
    "quicknet_vs_lce_default": 20.0,
    "least_of_five_vs_lce_best": 3.0,
    "quicknet_vs_float_xnnpack": 2.0,
    "quicknet_two_threads": 1.6,
    "aarch64_products_per_instruction_vs_lce": 1.0,
}


def measure(model: str, contenders: dict[str, Run], limits: Limits, watch: Watch) -> Turns:
    """Milliseconds of each contender, by processor and by clock."""
    image = np.random.default_rng(0).normal(size=INPUT_SHAPE).astype(np.float32)
    settings = [f"{name}, processor" for name in contenders if name.startswith("lce")]
    ours = "ours, processor"
    comparisons = {
        f"{model.lower()}_vs_lce_best": Comparison(best_over(settings, ours), f"{model}, over LCE's best setting")
    }
    if model == "QuickNet":
        one, two = "ours, clock", "ours, 2 threads, clock"
        comparisons |= {
            "quicknet_vs_lce_default": Comparison(
                over("lce default, processor", ours), "QuickNet, over LCE's default setting"
            ),
            "quicknet_vs_float_xnnpack": Comparison(
                over("float, processor", ours), "QuickNet, over the same model in floats with XNNPACK"
            ),
            "quicknet_avx2_vs_lce_best": Comparison(
                best_over(settings, "ours, avx2, processor"), "QuickNet with the kernel avx2, over LCE's best setting"
            ),
            "quicknet_two_threads": Comparison(over(one, two), "QuickNet, two threads over one, by the clock"),
        }
    timed = {name: _timed(run, image) for name, run in contenders.items()}
    return take_turns(timed, comparisons, limits, between=watch.look, label=model)


def _timed(run: Run, image: np.ndarray) -> Callable[[], dict[str, float]]:
    def milliseconds() -> dict[str, float]:
        run(image)  # brings its own data back into the caches
        processor, clock = time.thread_time_ns(), time.perf_counter_ns()
        run(image)
        return {
            "processor": (time.thread_time_ns() - processor) / 1e6,
            "clock": (time.perf_counter_ns() - clock) / 1e6,
        }

    return milliseconds


def ratios_of(all_turns: dict[str, Turns]) -> dict[str, Ratio]:
    ratios = {name: ratio for turns in all_turns.values() for name, ratio in turns.ratios.items()}
    if set(MODELS) <= set(all_turns):
        against_best = {model: ratios[f"{model.lower()}_vs_lce_best"] for model in MODELS}
        ratios["least_of_five_vs_lce_best"] = least(against_best, what="five models, over LCE's best setting")
    products = aarch64_products_per_instruction()
    if products:
        ratios["aarch64_products_per_instruction_vs_lce"] = counted(
            "products per vector instruction on aarch64, over LCE's", products / LCE_PRODUCTS_PER_INSTRUCTION
        )
    return {name: replace(ratio, floor=FLOORS.get(name)) for name, ratio in ratios.items()}


def table(model: str, turns: Turns) -> Table:
    names = sorted(
        {name.rpartition(", ")[0] for name in turns.samples}, key=lambda name: turns.median(f"{name}, clock")
    )
    rows = [[name, *(f"{turns.median(f'{name}, {kind}'):.2f}" for kind in ("processor", "clock"))] for name in names]
    return Table(f"{model}, milliseconds", ["contender", "processor", "clock"], rows)


def main(arguments: list[str]) -> int:
    parser = parser_of(__doc__, Limits(width=0.04, least_rounds=15, most_rounds=200, most_seconds=90))
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="only these")
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-benchmark-models")
    parser.add_argument("--layers", action="store_true", help="single convolutions with each kernel, and nothing else")
    options = parser.parse_args(arguments)
    if options.layers:
        print(aligned(lce_layers.table(lce_layers.layer_times())))
        return 0
    names = options.networks or (["QuickNet"] if options.quick else list(MODELS))
    make_models(options.models, names)
    limits, watch = limits_of(options), Watch()
    all_turns = {name: measure(name, model_contenders(name, options.models), limits, watch) for name in names}
    figures = {
        f"{model}: {name} ms": round(turns.median(name), 3)
        for model, turns in all_turns.items()
        for name in turns.samples
    }
    tables = [table(model, turns) for model, turns in all_turns.items()]
    if not options.quick:
        tables.append(lce_layers.table(lce_layers.layer_times()))
    publish(options, watch, ratios=ratios_of(all_turns), figures=figures, tables=tables)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
