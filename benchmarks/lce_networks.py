"""Binarized models on this host and on the emulated board with our operators, against LCE's own interpreter.

    python benchmarks/lce_networks.py [--quick] [--json] [--save] [--images 4] [--networks quicknet ...] [--no-board]

Every artifact goes through the agent, as in a run. A row says how many images have the class that LCE's interpreter
gives them, the largest difference of a score and, on the emulated board, the instructions of one inference. Models
without weights of ours get random ones and batch normalisation fitted to the images: with the statistics that a model
begins with, half of its sums are zero but for rounding, and no two runtimes agree on the sign of those. Nothing is
timed. --quick has QuickNet and the twin of generated images.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Limits
from benchmarks.results import Table, parser_of, positive_int, publish
from device.preprocessing import preprocess
from harness import keras_packages
from harness.devices.client import measure, predict
from harness.devices.device import Device, make_device
from harness.models.catalogue import CATALOGUE, Model, catalogue_model

MODELS = tuple(name for name, entry in CATALOGUE.items() if entry.family == "binarized")
QUICK = ("planted-binary", "quicknet")
RUNTIMES = ("ai-edge-litert+lce-ops", "tflite-runtime+lce-ops")
HOST = make_device({"name": "this-host", "kind": "local"})
BOARD = make_device({"name": "cortex-a72", "kind": "emulated", "cpu": "cortex-a72"})
FITTING_IMAGES = 16


@dataclass(frozen=True)
class Row:
    """One artifact on one device. `scores` and `logits` are the largest differences from LCE's interpreter."""

    network: str
    device: str
    runtime: str
    images: int
    same_class: int
    scores: float
    logits: float  # of the logarithms of the scores: these are the logits but for a constant
    instructions: int | None = None


def catalogue_model_of(name: str) -> Model:
    entry = CATALOGUE[name]
    return catalogue_model(name, entry, weights="random" if entry.weights == "imagenet" else None)


def smooth_images(record: dict[str, Any], count: int, *, seed: int = 0) -> np.ndarray:
    """(count, H, W, 3) uint8: a few soft blobs each, so that they differ as pictures do."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (count, 8, 8, 3))
    size, cell = record["height"], record["height"] // 8
    whole = coarse.repeat(cell, axis=1).repeat(cell, axis=2)
    for axis in (1, 2):
        whole = np.mean([np.roll(whole, shift, axis=axis) for shift in range(cell)], axis=0)
    assert whole.shape[1:3] == (size, size)
    return whole.astype(np.uint8)


def artifact(name: str, folder: Path) -> Path:
    """The model in format `lce`; kept in the folder."""
    path = folder / f"{name}.tflite"
    if not path.exists():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        keras_packages.set_up()
        from converters.lce import lce
        from harness.models.loading import load_model

        model = catalogue_model_of(name)
        keras_model = load_model(model)
        if model.weights == "random":
            fit_normalisation(keras_model, preprocess(_images(model, FITTING_IMAGES, seed=1), model.preprocessing))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lce(keras_model))
    return path


def _images(model: Model, count: int, *, seed: int = 0) -> np.ndarray:
    return smooth_images(model.preprocessing, count, seed=seed)


def fit_normalisation(keras_model: Any, images: np.ndarray) -> None:
    """One pass in training mode whose statistics replace the initial ones."""
    import tf_keras

    for layer in keras_model.submodules:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.momentum = 0.0
    keras_model(images, training=True)


def compare(name: str, device: Device, runtime: str, *, folder: Path, images: int, count: bool = False) -> Row:
    """One row of the table; `count` adds the instructions, which takes nine more inferences."""
    model, path = catalogue_model_of(name), artifact(name, folder)
    pixels = _images(model, images)
    asked: dict[str, Any] = {"preprocessing": model.preprocessing}
    wanted = predict(HOST, path, pixels, runtime="larq-compute-engine", **asked).scores
    got = predict(device, path, pixels, runtime=runtime, **asked).scores
    return Row(
        network=name,
        device=device.name,
        runtime=runtime,
        images=images,
        same_class=int((got.argmax(axis=1) == wanted.argmax(axis=1)).sum()),
        scores=float(np.abs(got - wanted).max()),
        logits=float(np.abs(logarithms(got) - logarithms(wanted)).max()),
        instructions=measure(device, path, runtime=runtime, **asked)["instructions"] if count else None,
    )


def logarithms(scores: np.ndarray) -> np.ndarray:
    """Of scores too small for float32 to hold exactly, nothing is said."""
    return np.log(np.maximum(scores, 1e-20))


def main(arguments: list[str]) -> int:
    parser = parser_of(__doc__, Limits())
    parser.add_argument("--images", type=positive_int, default=4)
    parser.add_argument("--networks", nargs="+", choices=MODELS, help="only these")
    parser.add_argument("--artifacts", type=Path, default=Path(tempfile.gettempdir()) / "bitlens-lce-models")
    parser.add_argument("--no-board", action="store_true", help="this host only")
    options = parser.parse_args(arguments)
    watch, devices, rows = Watch(), [HOST] if options.no_board else [HOST, BOARD], []
    for name in options.networks or (QUICK if options.quick else MODELS):
        for device, runtime in itertools.product(devices, RUNTIMES):
            # Counting slows an emulator down, and the runtimes differ by 1 %.
            count = device is BOARD and runtime == RUNTIMES[0]
            rows.append(compare(name, device, runtime, folder=options.artifacts, images=options.images, count=count))
            print(f"{name} on {device.name}, {runtime}", file=sys.stderr, flush=True)
            watch.look()
    publish(options, watch, ratios={}, figures={"rows": [asdict(row) for row in rows]}, tables=[table(rows)])
    return 0


def table(rows: list[Row]) -> Table:
    head = ["model", "device", "runtime", "same class", "score differs", "logit differs", "million instructions"]
    return Table("Against LCE's own interpreter", head, [cells_of(row) for row in rows])


def cells_of(row: Row) -> list[str]:
    millions = "" if row.instructions is None else f"{row.instructions / 1e6:.0f}"
    differences = (f"{value:.1e}" for value in (row.scores, row.logits))
    return [row.network, row.device, row.runtime, f"{row.same_class} of {row.images}", *differences, millions]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
