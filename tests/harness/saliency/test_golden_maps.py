"""Maps of the twins by every method are those that were recorded, whatever the versions of Python, NumPy and Keras.

python -m tests.harness.saliency.test_golden_maps      records them again (with Python 3.11)
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import keras_packages
from harness.datasets.planted import draw
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.saliency import GradientEngine, explain
from harness.saliency.methods.method_table import METHODS

GOLDEN = Path(__file__).with_name("golden") / "twins.npz"
METHODS_OF = {
    "planted-float": tuple(METHODS),
    "planted-binary": tuple(method for method in METHODS if method != "fullgrad"),  # which quantizers are refused for
}
IMAGE = 7  # of the test split; both twins recognise it
BLOCK = 8  # pixels: a map of 64x64 is recorded as the means of its 8x8 blocks
# Fewer passes than the defaults have: enough to tell a method from another, or from itself with an error in it.
PARAMETERS: dict[str, dict[str, Any]] = {
    "smoothgrad": {"samples": 8},
    "smoothgrad_squared": {"samples": 8},
    "vargrad": {"samples": 8},
    "integrated_gradients": {"steps": 16},
    "scorecam": {"max_channels": 16},
    "rise": {"masks": 64},
    "finite_differences": {"grid": 4},
}
# Of the largest block of a map. On one machine, TensorFlow 2.15, 2.19 and 2.21 differ by at most 1e-7. Other
# processors may sum in another order, which can turn a sign in a binarized model, and with it a path of the gradient.
TOLERANCE = {"planted-float": 1e-3, "planted-binary": 1e-2}


@cache
def engine_and_images(name: str) -> tuple[GradientEngine, NDArray[np.float32]]:
    model = catalogue_model(name, CATALOGUE[name])
    pixels, _, _ = draw(0, "test", IMAGE)
    images = (pixels[None].astype(np.float32) - model.preprocessing["mean"]) * model.preprocessing["scale"]
    return GradientEngine(load_model(model)), images.astype(np.float32)


def blocks(name: str, method: str) -> NDArray[np.float32]:
    """The map of one twin by one method, as means of its blocks, (8, 8)."""
    engine, images = engine_and_images(name)
    (saliency_map,) = explain(engine, images, method, **PARAMETERS.get(method, {}))
    side = len(saliency_map) // BLOCK
    return np.asarray(saliency_map.reshape(side, BLOCK, side, BLOCK).mean(axis=(1, 3)), np.float32)


def difference(name: str, method: str) -> float:
    """The largest difference from the recorded map, as a fraction of its largest block."""
    with np.load(GOLDEN) as recorded:
        expected = recorded[name][METHODS_OF[name].index(method)]
    return float(np.abs(blocks(name, method) - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("name", "method"), [(name, method) for name in METHODS_OF for method in METHODS_OF[name]])
def test_map_is_the_recorded_one(name: str, method: str) -> None:
    assert difference(name, method) <= TOLERANCE[name]


if __name__ == "__main__":
    keras_packages.set_up()
    maps = {name: np.stack([blocks(name, method) for method in methods]) for name, methods in METHODS_OF.items()}
    np.savez_compressed(GOLDEN, **maps)
