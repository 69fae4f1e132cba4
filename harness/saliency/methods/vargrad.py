"""VarGrad: the variance of a base method over noisy copies (Adebayo et al. 2018, arXiv:1810.03307)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import noisy_attributions


def vargrad(
    engine: Any, images: Images, *, base: Callable[[Images], Array], noise_level: float = 0.15, samples: int = 25
) -> Array:
    """Variance over the copies (divided by their number), never negative. Parameters as in SmoothGrad.

    Welford's running form: the mean of squares minus the squared mean would lose what is small in float32.
    """
    mean: Array | None = None
    seen = np.zeros(len(images), int)
    for i, values in noisy_attributions(engine, images, base, samples=samples, noise_level=noise_level):
        if mean is None:
            mean = np.zeros((len(images), *values.shape), np.float32)
            squares = np.zeros_like(mean)
        seen[i] += 1
        off = values - mean[i]
        mean[i] += off / seen[i]
        squares[i] += off * (values - mean[i])
    return np.asarray(squares / np.float32(samples))
