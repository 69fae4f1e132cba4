"""What measuring through our agent costs: a plain loop of invoke() against us, on the same artifacts, interleaved.

    python benchmarks/overhead.py [--quick] [--json] [--save] [--clock wall|cpu] [--tool] [--runs 100]

`native_over_ours_fp32` and `native_over_ours_int8`: the loop's p50 over ours, one thread, both in fresh processes with
ai-edge-litert; 1 is perfect. The model is MobileNetV2 with random weights: time does not depend on them. `fastest` in
the table is the same ratio of the shortest runs of all rounds, which hardly feel a neighbour.

--clock cpu  counts the thread's CPU time instead, for a machine with another load: what waits for a CPU is not counted.
             Ours is then what the agent calls, in a process of its own, since the agent itself knows no other clock.
--tool       LiteRT's own benchmark tool instead of the loop: `tool_over_ours_...`. It has the clock on the wall alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Limits, Turns, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive_int, publish
from harness.devices.client import measure
from harness.devices.device import make_device

RUNTIME = "ai-edge-litert"
TOOL = "ai_edge_litert.tools.benchmark_litert_model"
FORMATS = ("fp32", "int8")
WARMUP_RUNS = 20
NAMES = {"native": "a plain loop", "tool": "LiteRT's tool"}
CLOCKS = {"wall": "perf_counter_ns", "cpu": "thread_time_ns"}
Times = dict[str, float]  # p50 and min, milliseconds

LOOP = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
path, clock, runs, warmup = sys.argv[1], getattr(time, sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
interpreter = Interpreter(model_path=path, num_threads=1)
interpreter.allocate_tensors()
for tensor in interpreter.get_input_details():
    values = np.random.default_rng(0).random(tensor["shape"], np.float32)
    scaled = values if tensor["dtype"] == np.float32 else 100 * values
    interpreter.set_tensor(tensor["index"], scaled.astype(tensor["dtype"]))
for _ in range(warmup):
    interpreter.invoke()
samples = []
for _ in range(runs):
    started = clock()
    interpreter.invoke()
    samples.append(clock() - started)
print(json.dumps(samples))
"""

OURS = """
import json, sys, time
from device import latency, runtimes
from device.inference import Inference
path, clock, runs = sys.argv[1], getattr(time, sys.argv[2]), int(sys.argv[3])
engine = runtimes.load(path, runtime="ai-edge-litert")
inputs = Inference(engine, None).measurement_inputs(8, seed=0)
protocol = latency.complete_protocol({"min_runs": runs, "max_runs": runs, "min_seconds": 0.0})
set_inputs = lambda run: engine.set_inputs(inputs[run % len(inputs)])
print(json.dumps(latency.measure(engine.invoke, set_inputs, protocol, clock=clock)["samples_ns"]))
"""


def main() -> None:
    options = _options()
    options.artifacts.mkdir(parents=True, exist_ok=True)
    for name in FORMATS:
        _artifact(options.artifacts, name)
    other, watch = "tool" if options.tool else "native", Watch()
    turns = take_turns(
        {f"{who} {name}": _contender(who, name, options) for who in (other, "ours") for name in FORMATS},
        {
            f"{other}_over_ours_{name}": Comparison(
                over(f"{other} {name}, p50", f"ours {name}, p50"),
                f"{NAMES[other]} over our agent, p50 of {name}; 1 is perfect",
            )
            for name in FORMATS
        },
        limits_of(options),
        between=watch.look,
        label="overhead",
    )
    figures = {f"{name}, ms": round(turns.median(name), 4) for name in turns.samples if name.endswith("p50")}
    publish(options, watch, ratios=turns.ratios, figures=figures, tables=[_table(turns, other)])


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.02, least_rounds=10, most_rounds=40, most_seconds=300))
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--tool", action="store_true", help="compare with LiteRT's own benchmark tool")
    parser.add_argument("--runs", type=positive_int, default=100)
    parser.add_argument("--artifacts", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-overhead")
    options = parser.parse_args()
    if options.tool and options.clock != "wall":
        parser.error("--tool has the clock on the wall alone")
    return options


def _contender(who: str, name: str, options: argparse.Namespace) -> Callable[[], Times]:
    return lambda: _time(who, options.artifacts / f"{name}.tflite", options.runs, CLOCKS[options.clock])


def _table(turns: Turns, other: str) -> Table:
    rows = []
    for name in FORMATS:
        theirs, ours = (min(turns.samples[f"{who} {name}, min"]) for who in (other, "ours"))
        medians = (f"{turns.median(f'{who} {name}, p50'):.3f}" for who in (other, "ours"))
        rows.append([name, *medians, f"{theirs / ours:.3f}"])
    return Table(
        "Medians of the rounds' p50", ["format", f"{NAMES[other]}, ms", "ours, ms", "fastest runs, ratio"], rows
    )


def _time(who: str, path: Path, runs: int, clock: str) -> Times:
    if who == "tool":
        return _tool(path, runs)
    if who == "native":
        return _summary(_samples(LOOP, path, clock, runs, WARMUP_RUNS))
    return _summary(_agent(path, runs) if clock == CLOCKS["wall"] else _samples(OURS, path, clock, runs))


def _agent(path: Path, runs: int) -> list[int]:
    protocol = {"min_runs": runs, "max_runs": runs, "min_seconds": 0.0}
    device = make_device({"name": "this-host", "kind": "local"})
    samples: list[int] = measure(device, path, preprocessing=None, protocol=protocol, runtime=RUNTIME)["samples_ns"]
    return samples


def _samples(script: str, *arguments: object) -> list[int]:
    """What a script prints, in a fresh process."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    samples: list[int] = json.loads(done.stdout.splitlines()[-1])
    return samples


def _summary(samples: list[int]) -> Times:
    return {"p50": statistics.median_low(samples) / 1e6, "min": min(samples) / 1e6}


def _tool(path: Path, runs: int) -> Times:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        options = [
            "--model",
            str(path),
            "--num_runs",
            str(runs),
            "--warmup_runs",
            str(WARMUP_RUNS),
            "--num_threads",
            "1",
        ]
        command = [sys.executable, "-m", TOOL, *options, "--result_json", file.name]
        subprocess.run(command, check=True, capture_output=True)
        latency = json.loads(Path(file.name).read_text())["latency"]  # milliseconds, rounded to hundredths
    return {"p50": latency["median_ms"], "min": latency["min_ms"]}


def _artifact(folder: Path, name: str) -> None:
    """MobileNetV2 as fp32 or int8, made once."""
    path = folder / f"{name}.tflite"
    if path.exists():
        return
    import numpy as np
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    model = tf_keras.applications.MobileNetV2(weights=None)
    signature = tf.TensorSpec((1, 224, 224, 3), tf.float32)
    function: Any = tf.function(lambda images: model(images, training=False)).get_concrete_function(signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if name == "int8":
        images = np.random.default_rng(0).uniform(-1, 1, (8, 1, 224, 224, 3)).astype(np.float32)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


if __name__ == "__main__":
    main()
