"""The gradient engine in bfloat16 against itself in float32: how many times as fast, and what becomes of the maps.

    python benchmarks/precision.py [--models NAME ...] [--methods NAME ...] [--quick] [--json] [--save]

CPU seconds of one process, one thread for each batch; the two take turns on the same images. Errors are the least
correlation of a map with its float32 one, and the mean difference of insertion AUC: a figure of a model with random
weights says how far rounding goes, not how good a map is. Ratios above 1 mean that bfloat16 is faster.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Contender, Limits, Turns, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, publish
from harness import keras_packages
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.quality.precision_error import PrecisionError, precision_error

IMAGES, SAMPLES = 8, 4
MODELS = ("planted-float", "cifar-float", "mobilenet-v2", "efficientnet-b0", "resnet50", "vgg16")
METHODS = ("gradient", "gradcam", "smoothgrad")


def main() -> None:
    options, watch = _options(), Watch()
    keras_packages.set_up()
    from harness.saliency.threads import use_one_thread_per_batch

    use_one_thread_per_batch()
    turns: dict[tuple[str, str], Turns] = {}
    errors: dict[tuple[str, str], PrecisionError] = {}
    for name in options.models:
        for method, (contenders, error) in _of_model(name, options.methods).items():
            label = f"{name}, {method}"
            times = {f"{name}_{method}": Comparison(over("float32", "bfloat16"), label)}
            turns[name, method] = take_turns(contenders, times, limits_of(options), between=watch.look, label=label)
            errors[name, method] = error
    rows = [[name, method, error.sentence("bfloat16")] for (name, method), error in errors.items()]
    publish(
        options,
        watch,
        ratios={name: ratio for one in turns.values() for name, ratio in one.ratios.items()},
        figures={f"{name}_{method}": asdict(error) for (name, method), error in errors.items()},
        tables=[Table("The error", ["model", "method", "maps"], rows)],
    )


def _of_model(name: str, methods: Sequence[str]) -> dict[str, tuple[dict[str, Contender], PrecisionError]]:
    """By method: the two that take turns, and the error."""
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
    return {method: _of_method(method, (exact, halved), given, inputs) for method in methods}


def _pixels(fed: dict[str, Any]) -> Any:
    """Blurred noise: shapes of many sizes, as in photos."""
    rng, size = np.random.default_rng(0), (fed["height"], fed["width"])
    pixels = np.zeros((IMAGES, *size, len(fed["mean"])))
    for cells in (4, 8, 16, 32):
        coarse = rng.normal(size=(IMAGES, cells, cells, pixels.shape[-1]))
        rows, columns = (np.arange(length) * cells // length for length in size)
        pixels += coarse[:, rows][:, :, columns]
    return np.clip(128 + 40 * pixels, 0, 255).astype(np.uint8)


def _of_method(
    method: str, engines: tuple[Any, Any], given: Any, inputs: Any
) -> tuple[dict[str, Contender], PrecisionError]:
    from harness.saliency import compute

    parameters = {"samples": SAMPLES} if method == "smoothgrad" else {}
    exact, halved = (
        partial(compute, engine, method, given, inputs.targets, parameters=parameters) for engine in engines
    )
    size = given.shape[1:3]
    error = precision_error(halved().maps(size), exact().maps(size), inputs)  # which warms both up
    return {"float32": _cpu_seconds(exact), "bfloat16": _cpu_seconds(halved)}, error


def _cpu_seconds(run: Callable[[], Any]) -> Contender:
    def seconds() -> float:
        begin = time.process_time()
        run()
        return time.process_time() - begin

    return seconds


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.1, least_rounds=7, most_rounds=30, most_seconds=60))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="only these")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="only these")
    return parser.parse_args()


if __name__ == "__main__":
    main()
