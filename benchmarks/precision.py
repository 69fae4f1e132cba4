"""The gradient engine in bfloat16 against itself in float32: how many times as fast, and what becomes of the maps.

    python benchmarks/precision.py [--models NAME ...] [--methods NAME ...] [--rounds 5] [--json]

CPU seconds of one process, one thread for each batch; the two take turns on the same images, and the ratio is that of
the medians. Errors are the least correlation of a map with its float32 one, and the mean difference of insertion AUC:
a figure of a model with random weights says how far rounding goes, not how good a map is. Ratios above 1 mean that
bfloat16 is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import keras_packages
from harness.models.catalogue import CATALOGUE, catalogue_model

IMAGES, SAMPLES = 8, 4
MODELS = ("planted-float", "cifar-float", "mobilenet-v2", "efficientnet-b0", "resnet50", "vgg16")
METHODS = ("gradient", "gradcam", "smoothgrad")


def main() -> None:
    arguments = _arguments()
    keras_packages.set_up()
    from harness.saliency.threads import use_one_thread_per_batch

    use_one_thread_per_batch()
    load = os.getloadavg()[0]
    figures = {name: _of_model(name, arguments) for name in arguments.models}
    ratios = {
        f"{name}_{method}": of_method["times_as_fast"]
        for name, of_model in figures.items()
        for method, of_method in of_model.items()
    }
    if arguments.json:
        print(json.dumps({"ratios": ratios, "figures": {"load_before": load, "models": figures}}))
        return
    print(f"load before {load:.1f}\n| model | method | times as fast | least correlation | insertion AUC |")
    print("|---" * 5 + "|")
    for name, of_model in figures.items():
        for method, row in of_model.items():
            cells = (row["times_as_fast"], row["correlation"], row["insertion_difference"])
            print(f"| {name} | {method} | {cells[0]:.2f} | {cells[1]:.4f} | {cells[2]:+.4f} |", flush=True)


def _of_model(name: str, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """By method: how many times as fast, and the error."""
    from device.preprocessing import preprocess
    from harness.models.loading import load_model
    from harness.quality.inputs import MetricInputs
    from harness.quality.judges import FloatJudge
    from harness.saliency import GradientEngine

    entry = CATALOGUE[name]
    model = catalogue_model(name, entry, weights=None if entry.weights == "trained" else "random")
    fed, keras_model = model.preprocessing, load_model(model)
    pixels = _pixels(fed)
    exact, halved = (GradientEngine(keras_model, precision=of) for of in ("float32", "bfloat16"))
    judge = FloatJudge(lambda images: exact.scores(preprocess(images, fed)))
    given = preprocess(pixels, fed)
    targets = exact.logits(given).argmax(axis=1)
    inputs = MetricInputs(images=pixels, targets=targets, keys=tuple(map(str, range(IMAGES))), judge=judge)
    return {
        method: _of_method(method, (exact, halved), given, inputs, arguments.rounds) for method in arguments.methods
    }


def _pixels(fed: dict[str, Any]) -> Any:
    """Blurred noise: shapes of many sizes, as in photos."""
    rng, size = np.random.default_rng(0), (fed["height"], fed["width"])
    pixels = np.zeros((IMAGES, *size, len(fed["mean"])))
    for cells in (4, 8, 16, 32):
        coarse = rng.normal(size=(IMAGES, cells, cells, pixels.shape[-1]))
        rows, columns = (np.arange(length) * cells // length for length in size)
        pixels += coarse[:, rows][:, :, columns]
    return np.clip(128 + 40 * pixels, 0, 255).astype(np.uint8)


def _of_method(method: str, engines: tuple[Any, Any], given: Any, inputs: Any, rounds: int) -> dict[str, Any]:
    from harness.quality.precision_error import precision_error
    from harness.saliency import compute

    parameters = {"samples": SAMPLES} if method == "smoothgrad" else {}

    def made(engine: Any) -> Any:
        return compute(engine, method, given, inputs.targets, parameters=parameters)

    maps = [made(engine).maps(given.shape[1:3]) for engine in engines]
    seconds: list[list[float]] = [[], []]
    for turn in range(rounds + 1):  # the first one warms up
        for which in (0, 1) if turn % 2 else (1, 0):
            begin = time.process_time()
            made(engines[which])
            seconds[which] += [time.process_time() - begin] if turn else []
    error = precision_error(maps[1], maps[0], inputs)
    exact, halved = map(statistics.median, seconds)
    return {
        "times_as_fast": round(exact / halved, 3),
        "cpu_seconds": seconds,
        "correlation": error.correlation,
        "insertion_difference": error.insertion_difference,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, help="only these")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="only these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="ratios and figures alone on stdout")
    return parser.parse_args()


if __name__ == "__main__":
    main()
