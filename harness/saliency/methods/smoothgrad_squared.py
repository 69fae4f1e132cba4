"""SmoothGrad squared: the mean of the squared base method over noisy copies (Hooker et al. 2018, arXiv:1806.10758)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.saliency.attribution import Array, Images
from harness.saliency.methods.smoothgrad import mean_over_noise


def smoothgrad_squared(
    engine: Any, images: Images, *, base: Callable[[Images], Array], noise_level: float = 0.15, samples: int = 25
) -> Array:
    """Mean of the squares: never negative; its unit is the base method's, squared. Parameters as in SmoothGrad."""
    return mean_over_noise(engine, images, base, noise_level=noise_level, samples=samples, of=np.square)
