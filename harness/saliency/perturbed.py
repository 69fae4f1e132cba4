"""A base method over noisy copies of each image, reduced as it runs: memory does not grow with the number of copies."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness.saliency.attribution import Array, Images
from harness.saliency.noise import gaussian


def add_noise(images: Images, samples: list[int], *, noise_level: float) -> Images:
    """One noisy copy per entry: sigma is this share of that image's own max - min.

    samples  the sample index of each image, which with the image's key and the seed determines its noise.
    """
    pixels = images.pixels.copy()
    for i, sample in enumerate(samples):
        noise = gaussian(pixels[i].shape, seed=images.seed, image_key=images.keys[i], sample=sample)
        noise *= np.float32(noise_level * (pixels[i].max() - pixels[i].min()))
        pixels[i] += noise
    return images.replace(pixels)


def noisy_attributions(engine: Any, images: Images, base: Callable[[Images], Array], *, samples: int,
                       noise_level: float) -> Iterator[tuple[int, Array]]:
    """(index of the image, attribution of one of its copies), copies of all images sharing batches, in a fixed order."""
    copies = [(i, sample) for i in range(len(images)) for sample in range(samples)]

    def attribute(chunk: list[tuple[int, int]]) -> Array:
        batch = images.take([i for i, _ in chunk])
        return base(add_noise(batch, [sample for _, sample in chunk], noise_level=noise_level))

    for chunk, values in engine.map(copies, attribute):
        yield from zip((i for i, _ in chunk), values, strict=True)
