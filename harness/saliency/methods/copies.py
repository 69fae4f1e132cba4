"""Copies of each image, changed a little each: what every averaging method streams over.

Copies of all images share batches. One batch per thread is held at a time, so memory depends neither on the number of
copies nor on the number of images; results come in a fixed order, so that sums are the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.errors import ConfigError, nearest
from harness.randomness import gaussian
from harness.saliency.attribution import Array, Images
from harness.saliency.methods.scorer import Scorer


def over_copies(
    engine: Scorer,
    images: Images,
    copies: int,
    *,
    change: Callable[[Images, list[int]], Array],
    measure: Callable[[Images], Array],
) -> Iterator[tuple[int, int, Array]]:
    """(index of the image, index of the copy, what was measured on this copy).

    change   the pixels of these images, the i-th as its copy of the i-th index.
    measure  one value or one attribution per image of a batch.
    """

    def work(chunk: list[int]) -> Array:
        batch = images.take([pair // copies for pair in chunk])
        return measure(batch.replace(change(batch, [pair % copies for pair in chunk])))

    for chunk, values in engine.map(range(len(images) * copies), work):
        for pair, value in zip(chunk, values, strict=True):
            yield pair // copies, pair % copies, value


def noisy_attributions(
    engine: Scorer, images: Images, base: Callable[[Images], Array], *, samples: int, noise_level: float
) -> Iterator[tuple[int, Array]]:
    """(index of the image, attribution of one of its noisy copies)."""

    def change(batch: Images, copies: list[int]) -> Array:
        return add_noise(batch, copies, noise_level=noise_level)

    for i, _, values in over_copies(engine, images, samples, change=change, measure=base):
        yield i, values


def add_noise(images: Images, samples: list[int], *, noise_level: float) -> Array:
    """Each image with the noise of one sample index; sigma is this fraction of that image's own max - min."""
    pixels = images.pixels.copy()
    for i, sample in enumerate(samples):
        noise = gaussian(pixels[i].shape, seed=images.seed, image_key=images.keys[i], sample=sample)
        noise *= np.float32(noise_level * (pixels[i].max() - pixels[i].min()))
        pixels[i] += noise
    return pixels


def target_values(engine: Scorer, images: Images, output: str) -> Array:
    """(N,) the target class's "score" (what the model returns) or "logit"."""
    values = engine.scores(images.pixels) if output == "score" else engine.logits(images.pixels)
    return np.asarray(values[np.arange(len(images)), images.targets], np.float32)


def _channel_mean(pixels: Array) -> Array:
    return np.broadcast_to(pixels.mean(axis=(1, 2), keepdims=True), pixels.shape)


BASELINES: dict[str, Callable[[Array], Array]] = {
    "zero": np.zeros_like,  # 0 after preprocessing: usually the mean colour of the training data
    "minimum": lambda pixels: np.broadcast_to(pixels.min(axis=(1, 2, 3), keepdims=True), pixels.shape),
    "maximum": lambda pixels: np.broadcast_to(pixels.max(axis=(1, 2, 3), keepdims=True), pixels.shape),
    "channel_mean": _channel_mean,
}


def baseline_of(pixels: Array, name: str) -> Array:
    """What an image is compared with or covered by: (N, H, W, C), in preprocessed units."""
    if name not in BASELINES:
        raise ConfigError(f'baseline: "{name}" is not known', hint=nearest(name, BASELINES))
    return BASELINES[name](pixels)
