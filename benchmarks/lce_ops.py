"""How fast the LCE operators are: ratios of whole models, measured side by side in one run.

    python benchmarks/lce_ops.py [--json] [--networks QuickNet ...] [--rounds 15]
    python benchmarks/lce_ops.py --layers

Every contender runs once per round, in a shuffled order. One thread is measured by the processor time of the calling
thread, which other work on the machine does not lengthen; a ratio is taken within each round, and the table shows the
median of the rounds with a 95 % interval. Two threads are measured by the clock, and their ratio is that of the fastest
rounds. `--layers` times QuickNet's four convolutions by themselves, with each kernel: how near they are to what the
processor can do. Needs the host's packages and larq-compute-engine; converted models are kept under --models between
runs. The last row counts instructions in the aarch64 library's inner loop and needs the cross compiler and its objdump.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.lce_contenders import INPUT_SHAPE, MODELS, Run, make_models, model_contenders
from benchmarks.lce_instructions import LCE_PRODUCTS_PER_INSTRUCTION, aarch64_products_per_instruction
from benchmarks.lce_layers import layer_times, print_layers
from reports.data.stats import percentile_interval

# Ratios that the operators must keep: name -> floor.
FLOORS = {
    "quicknet_vs_lce_best": 5.0,
    "quicknet_vs_lce_default": 20.0,
    "least_of_five_vs_lce_best": 3.0,
    "quicknet_vs_float_xnnpack": 2.0,
    "quicknet_two_threads": 1.6,
    "aarch64_products_per_instruction_vs_lce": 1.0,
}


@dataclass(frozen=True)
class Ratio:
    """How many times faster one contender is than another: the median over rounds, with its 95 % interval."""

    median: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Times:
    """Milliseconds per round: of the calling thread's processor time, and by the clock."""

    processor: list[float]
    clock: list[float]


def measure(contenders: dict[str, Run], *, rounds: int, seed: int = 0) -> dict[str, Times]:
    image = np.random.default_rng(seed).normal(size=INPUT_SHAPE).astype(np.float32)
    order, shuffle = list(contenders), random.Random(seed).shuffle
    times = {name: Times([], []) for name in contenders}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            contenders[name](image)  # brings its own data back into the caches
            processor, clock = time.thread_time_ns(), time.perf_counter_ns()
            contenders[name](image)
            times[name].processor.append((time.thread_time_ns() - processor) / 1e6)
            times[name].clock.append((time.perf_counter_ns() - clock) / 1e6)
    return times


def ratio(slow: Times, fast: Times) -> Ratio:
    """Taken within each round. The interval comes from order statistics: it assumes nothing of their distribution."""
    parts_per_million = [round(1e6 * s / f) for s, f in zip(slow.processor, fast.processor)]
    low, high = percentile_interval(parts_per_million, 50)
    median = statistics.median(parts_per_million) / 1e6
    return Ratio(median, None if low is None else low / 1e6, None if high is None else high / 1e6)


def best_lce(times: dict[str, Times]) -> str:
    return min(
        (name for name in times if name.startswith("lce")), key=lambda name: statistics.median(times[name].processor)
    )


def ratios_of(all_times: dict[str, dict[str, Times]]) -> dict[str, Ratio]:
    against_best = {name: ratio(times[best_lce(times)], times["ours"]) for name, times in all_times.items()}
    ratios = {f"{name.lower()}_vs_lce_best": value for name, value in against_best.items()}
    if set(MODELS) <= set(all_times):
        ratios["least_of_five_vs_lce_best"] = min(against_best.values(), key=lambda r: r.median)
    if "QuickNet" in all_times:
        times = all_times["QuickNet"]
        ratios["quicknet_vs_lce_default"] = ratio(times["lce default"], times["ours"])
        ratios["quicknet_vs_float_xnnpack"] = ratio(times["float"], times["ours"])
        ratios["quicknet_two_threads"] = Ratio(min(times["ours"].clock) / min(times["ours, 2 threads"].clock))
    return ratios


def print_table(all_times: dict[str, dict[str, Times]], ratios: dict[str, Ratio]) -> None:
    for model, times in all_times.items():
        print(f"{model:24s} processor ms, clock ms (medians of {len(times['ours'].clock)}), fastest clock ms")
        for name, t in sorted(times.items(), key=lambda item: statistics.median(item[1].processor)):
            medians = statistics.median(t.processor), statistics.median(t.clock)
            print(f"  {name:22s} {medians[0]:12.2f} {medians[1]:9.2f} {min(t.clock):9.2f}")
    print(f"\n{'ratio':42s} {'times':>7s}   95 % interval   floor")
    for name, value in ratios.items():
        interval = "" if value.low is None or value.high is None else f"{value.low:5.2f} - {value.high:5.2f}"
        print(f"{name:42s} {value.median:7.2f}   {interval:13s}   {FLOORS.get(name, '')}")


def figures_of(all_times: dict[str, dict[str, Times]]) -> dict[str, float]:
    """Medians in milliseconds."""
    return {
        f"{model}: {name}, {kind} ms": round(statistics.median(getattr(t, kind)), 3)
        for model, times in all_times.items()
        for name, t in times.items()
        for kind in ("processor", "clock")
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print only {ratios, figures}; figures are milliseconds")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--networks", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-benchmark-models")
    parser.add_argument("--layers", action="store_true", help="single convolutions with each kernel, and nothing else")
    options = parser.parse_args(arguments)
    if options.layers:
        print_layers(layer_times())
        return 0
    make_models(options.models, options.networks)
    all_times = {
        name: measure(model_contenders(name, options.models), rounds=options.rounds) for name in options.networks
    }
    ratios = ratios_of(all_times)
    products = aarch64_products_per_instruction()
    if products:
        ratios["aarch64_products_per_instruction_vs_lce"] = Ratio(products / LCE_PRODUCTS_PER_INSTRUCTION)
    if options.json:
        rounded = {name: round(r.median, 3) for name, r in ratios.items()}
        print(json.dumps({"ratios": rounded, "figures": figures_of(all_times)}))
    else:
        print_table(all_times, ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
