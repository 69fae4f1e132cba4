"""Amplification stage: how much more the activations of each layer change than the input does (Lin et al. 2019).

arXiv:1904.08444 names it as the reason why quantized models are brittle: noise grows from layer to layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.models.catalogue import Model
from harness.randomness import generator
from harness.stages.context import Progress, RunContext
from harness.store.units import Outcome, Unit


def plan(model: Model, images: Unit, *, noise_level: float, seed: int) -> Unit:
    spec = {"model": model.spec(), "noise_level": noise_level, "seed": seed}
    return Unit(kind="amplification", spec=spec, needs={"images": images.key})


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    """Per image and layer: (relative change of the activations) / (relative change of the input), layer by layer."""
    spec, images = unit.spec, context.images(unit.needs["images"])
    engine = context.engine(spec["model"]["name"])
    layers = [info.name for info in engine.candidates]
    clean = preprocess(images.pixels, spec["model"]["preprocessing"])
    noisy = np.stack([_noisy(image, key, spec) for image, key in zip(clean, images.keys)])
    values: list[list[float]] = []
    for first in range(0, len(clean), engine.batch_size):
        part = slice(first, first + engine.batch_size)
        before, after = (_activations(engine, batch[part], layers) for batch in (clean, noisy))
        at_the_input = _relative_change(clean[part], noisy[part])
        changes = np.stack([_relative_change(before[name], after[name]) for name in layers], axis=1)
        values += (changes / at_the_input[:, None]).tolist()
        progress(len(values) / len(clean))
    return Outcome(result={"layers": layers, "images": list(images.keys), "values": values})


def _noisy(image: NDArray[np.float32], key: str, spec: dict[str, Any]) -> NDArray[np.float32]:
    """The image with Gaussian noise as SmoothGrad adds it: sigma is a fraction of the image's own range."""
    random = generator(spec["seed"], key, 0, purpose="amplification")
    sigma = spec["noise_level"] * np.ptp(image)
    return image + np.float32(sigma) * random.standard_normal(image.shape, np.float32)


def _activations(engine: Any, images: NDArray[np.float32], layers: list[str]) -> dict[str, NDArray[np.float32]]:
    classes = np.zeros(len(images), np.int64)
    features: dict[str, NDArray[np.float32]] = engine.backward(
        images, classes, layers=layers, input_gradient=False
    ).features
    return features


def _relative_change(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) norm of the difference over norm of what was before; NaN becomes 0 where a layer gives zeros only."""
    axes = tuple(range(1, before.ndim))
    norm = np.sqrt((before.astype(np.float64) ** 2).sum(axes))
    change: NDArray[np.float64] = np.sqrt(((after.astype(np.float64) - before) ** 2).sum(axes))
    return np.divide(change, norm, out=np.zeros_like(change), where=norm > 0)
