"""SmoothGrad: the mean of a base method over noisy copies of the image (Smilkov et al. 2017, arXiv:1706.03825)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import noisy_attributions


def smoothgrad(
    engine: Any, images: Images, *, base: Callable[[Images], Array], noise_level: float = 0.15, samples: int = 25
) -> Array:
    """Mean signed attribution, in the shape of the base method's.

    noise_level  sigma / (x_max - x_min), per image, dimensionless; the paper uses 0.1-0.2, and 0 gives the base method.
    """
    return mean_over_noise(engine, images, base, noise_level=noise_level, samples=samples, of=lambda values: values)


def mean_over_noise(
    engine: Any,
    images: Images,
    base: Callable[[Images], Array],
    *,
    noise_level: float,
    samples: int,
    of: Callable[[Array], Array],
) -> Array:
    """Mean of `of(attribution)` over the noisy copies of each image."""
    total: Array | None = None
    for i, values in noisy_attributions(engine, images, base, samples=samples, noise_level=noise_level):
        if total is None:
            total = np.zeros((len(images), *values.shape), np.float32)
        total[i] += of(values)
    assert total is not None, "at least one sample"
    return np.asarray(total / np.float32(samples))
