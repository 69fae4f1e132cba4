"""How fast the LCE operators are: ratios of whole networks, measured side by side in one run.

    python benchmarks/lce_ops.py [--json] [--networks QuickNet ...] [--rounds 15]
    python benchmarks/lce_ops.py --layers

Every contender runs once per round, in a shuffled order. One thread is measured by the processor time of the calling
thread, which other work on the machine does not lengthen; a ratio is taken within each round, and the table shows the
median of the rounds with a 95 % interval. Two threads are measured by the clock, and their ratio is that of the fastest
rounds. `--layers` times QuickNet's four convolutions by themselves, with each kernel: how near they are to what the
processor can do. Needs the host's packages and larq-compute-engine; converted networks are kept under --models between
runs. The last row counts instructions in the aarch64 library's inner loop and needs the cross compiler and its objdump.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness.errors import BitlensError
from harness.native.build import host_library, library

MODELS = ("QuickNet", "BinaryAlexNet", "BinaryResNetE18", "MeliusNet22", "RealToBinaryNet")
FLOAT_TWIN = "QuickNetFloat"
INPUT_SHAPE = (1, 224, 224, 3)
RUNTIME = "ai_edge_litert.interpreter"
# LCE's settings as (reference, indirect, XNNPACK for the builtin operators).
LCE_SETTINGS = {
    "default": (False, False, False),
    "default+xnnpack": (False, False, True),
    "indirect": (False, True, False),
    "indirect+xnnpack": (False, True, True),
    "reference": (True, False, False),
}
# Ratios that the operators must keep: name -> floor.
FLOORS = {
    "quicknet_vs_lce_best": 5.0,
    "quicknet_vs_lce_default": 20.0,
    "least_of_five_vs_lce_best": 3.0,
    "quicknet_vs_float_xnnpack": 2.0,
    "quicknet_two_threads": 1.6,
    "aarch64_products_per_instruction_vs_lce": 1.0,
}
# LCE's inner block on aarch64: 96 vector instructions beside its loads for 4096 products.
LCE_PRODUCTS_PER_INSTRUCTION = 4096 / 96

# QuickNet's convolutions as (map, channels): all of them multiply equally often.
LAYERS = ((56, 64), (28, 128), (14, 256), (7, 512))
LAYER_PRODUCTS = 56 * 56 * 64 * 64 * 9
LAYER_KERNELS = ("avx512", "avx2", "neon", "portable")

Run = Callable[[np.ndarray], Any]


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


# ------------------------------------------------------------------------------------------------ contenders


def delegated(path: Path, *, num_threads: int = 1, **options: Any) -> Run:
    runtime = importlib.import_module(RUNTIME)
    delegate = runtime.load_delegate(str(host_library()), options)
    return _tflite(runtime.Interpreter(str(path), experimental_delegates=[delegate], num_threads=num_threads))


def stock(path: Path, *, num_threads: int = 1) -> Run:
    runtime = importlib.import_module(RUNTIME)
    return _tflite(runtime.Interpreter(str(path), num_threads=num_threads))


def _tflite(interpreter: Any) -> Run:
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(into, image)
        interpreter.invoke()
        return interpreter.get_tensor(out)

    return run


def larq(path: Path, setting: str) -> Run:
    module = importlib.import_module("larq_compute_engine.tflite.python.interpreter_wrapper_lite")
    interpreter = module.LiteInterpreter(path.read_bytes(), 1, *LCE_SETTINGS[setting])
    return lambda image: interpreter.predict([image])[0]


# ------------------------------------------------------------------------------------------------ measuring


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
    """The interval comes from order statistics of the per-round ratios, so it assumes nothing of their distribution."""
    per_round = sorted(s / f for s, f in zip(slow.processor, fast.processor))
    n = len(per_round)
    margin = 0.98 * n**0.5
    low, high = max(0, int(n / 2 - margin)), min(n - 1, int(np.ceil(n / 2 + margin)))
    return Ratio(statistics.median(per_round), per_round[low], per_round[high])


def model_contenders(name: str, models: Path) -> dict[str, Run]:
    path = models / f"{name}.tflite"
    contenders = {"ours": delegated(path), **{f"lce {s}": larq(path, s) for s in LCE_SETTINGS if s != "reference"}}
    if name == "QuickNet":
        contenders["ours, 2 threads"] = delegated(path, num_threads=2)
        contenders["ours, unfused"] = delegated(path, fuse=0)
        contenders["ours, avx2"] = delegated(path, kernel="avx2")
        contenders["ours, portable"] = delegated(path, kernel="portable")
        contenders["float"] = stock(models / f"{FLOAT_TWIN}.tflite")
        contenders["lce reference"] = larq(path, "reference")
    return contenders


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


# ------------------------------------------------------------------------------------------------ networks


def make_models(models: Path, names: list[str]) -> None:
    """Converts the networks, with random weights: the operators' time does not depend on them."""
    missing = [name for name in names if not (models / f"{name}.tflite").exists()]
    if "QuickNet" in names and not (models / f"{FLOAT_TWIN}.tflite").exists():
        missing = ["QuickNet", *[name for name in missing if name != "QuickNet"]]
    if not missing:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import larq_compute_engine
    import larq_zoo

    models.mkdir(parents=True, exist_ok=True)
    for name in missing:
        factory = getattr(larq_zoo.sota, name, None) or getattr(larq_zoo.literature, name)
        model = factory(weights=None, input_shape=INPUT_SHAPE[1:])
        (models / f"{name}.tflite").write_bytes(larq_compute_engine.convert_keras_model(model))
        if name == "QuickNet":
            (models / f"{FLOAT_TWIN}.tflite").write_bytes(_float_twin(model))


def _float_twin(model: Any) -> bytes:
    """The same network with ordinary convolutions, as plain TFLite."""
    import larq
    import tensorflow as tf

    shared = (
        "name",
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "use_bias",
        "activation",
        "groups",
        "dilation_rate",
    )

    def unquantized(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, larq.layers.QuantConv2D):
            return tf.keras.layers.Conv2D(**{key: config[key] for key in shared})
        return type(layer).from_config(config)

    twin = tf.keras.models.clone_model(model, clone_function=unquantized)
    function = tf.function(lambda x: twin(x, training=False)).get_concrete_function(tf.TensorSpec(INPUT_SHAPE))
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())


# ------------------------------------------------------------------------------------------------ instructions


def aarch64_products_per_instruction() -> float | None:
    """Binary products per vector instruction, loads aside, in the NEON kernel's inner loop; None without tools."""
    objdump = shutil.which("aarch64-linux-gnu-objdump")
    try:
        binary = library("aarch64")
    except BitlensError:
        return None
    if not objdump:
        return None
    listing = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", str(binary)], capture_output=True, text=True, check=True
    )
    counts_of = {len(re.findall(r"\tcnt\t", loop)): loop for loop in innermost_loops(listing.stdout)}
    counts = max(counts_of)
    vector = [
        line
        for line in counts_of[counts].splitlines()
        if re.search(r"\bv\d+\.", line) and not re.search(r"\t(ld|st)", line)
    ]
    return counts * 128 / len(vector)


def innermost_loops(listing: str) -> list[str]:
    """The straight stretches of code that end in a branch to their own beginning."""
    lines = re.findall(r"^\s*([0-9a-f]+):\t(.*)$", listing, re.MULTILINE)
    place = {address: i for i, (address, _) in enumerate(lines)}
    loops = []
    for i, (_, text) in enumerate(lines):
        branch = re.match(r"b\.\w+\s+([0-9a-f]+)", text)
        start = place.get(branch.group(1), i) if branch else i
        body = [f"\t{inner}" for _, inner in lines[start:i]]
        if body and not any(re.match(r"\tb[. ]|\tret", inner) for inner in body):
            loops.append("\n".join(body))
    return loops


# ------------------------------------------------------------------------------------------------ single layers


def layer_times(*, rounds: int = 400) -> dict[tuple[str, str], float]:
    """Fastest microseconds of QuickNet's 3x3 convolutions, from bits to floats, one thread, by (kernel, layer)."""
    times = {}
    for size, channels in LAYERS:
        model = _layer(size, channels)
        bits = np.random.default_rng(0).integers(-(2**31), 2**31, (1, size, size, channels // 32), dtype=np.int32)
        for kernel in LAYER_KERNELS:
            runtime = importlib.import_module(RUNTIME)
            try:
                delegate = runtime.load_delegate(str(host_library()), {"kernel": kernel})
            except ValueError:  # not on this processor
                continue
            interpreter = runtime.Interpreter(model_content=model, experimental_delegates=[delegate], num_threads=1)
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], bits)
            name = f"{size}x{size}x{channels}"
            times[kernel, name] = min(_microseconds(interpreter.invoke) for _ in range(rounds))
    return times


def _microseconds(run: Callable[[], Any]) -> float:
    started = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - started) / 1e3


def _layer(size: int, channels: int) -> bytes:
    from tests.device.lce_ops.graphs import Graph, conv_options, flexbuffer, pack

    rng, graph = np.random.default_rng(0), Graph()
    source = graph.tensor((1, size, size, channels // 32), "int32")
    filters = pack(rng.random((channels, 3, 3, channels)) < 0.5)
    constants = [graph.tensor(filters.shape, "int32", filters)]
    constants += [graph.tensor([channels], "float32", rng.normal(size=channels)) for _ in range(2)]
    target = graph.tensor((1, size, size, channels), "float32")
    graph.custom("LceBconv2d", [source, *constants, -1], target, flexbuffer(conv_options(channels)))
    return graph.model([source], [target])


def print_layers(times: dict[tuple[str, str], float]) -> None:
    print(f"{'kernel':10s} {'layer':10s} {'fastest us':>10s} {'products per ns':>16s}")
    for (kernel, layer), microseconds in times.items():
        print(f"{kernel:10s} {layer:10s} {microseconds:10.0f} {LAYER_PRODUCTS / microseconds / 1e3:16.0f}")


# ------------------------------------------------------------------------------------------------ printing


def print_table(all_times: dict[str, dict[str, Times]], ratios: dict[str, Ratio]) -> None:
    for network, times in all_times.items():
        print(f"{network:24s} processor ms, clock ms (medians of {len(times['ours'].clock)}), fastest clock ms")
        for name, t in sorted(times.items(), key=lambda item: statistics.median(item[1].processor)):
            medians = statistics.median(t.processor), statistics.median(t.clock)
            print(f"  {name:22s} {medians[0]:12.2f} {medians[1]:9.2f} {min(t.clock):9.2f}")
    print(f"\n{'ratio':42s} {'times':>7s}   95 % interval   floor")
    for name, value in ratios.items():
        interval = "" if value.low is None else f"{value.low:5.2f} - {value.high:5.2f}"
        print(f"{name:42s} {value.median:7.2f}   {interval:13s}   {FLOORS.get(name, '')}")


def figures_of(all_times: dict[str, dict[str, Times]]) -> dict[str, float]:
    """Medians in milliseconds."""
    return {
        f"{network}: {name}, {kind} ms": round(statistics.median(getattr(t, kind)), 3)
        for network, times in all_times.items()
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
