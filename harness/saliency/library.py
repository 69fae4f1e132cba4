"""The engine as a library: maps of any Keras model in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.saliency.attribution import Array
from harness.saliency.engine import GradientEngine
from harness.saliency.maps import saliency_map
from harness.saliency.methods import method_spec
from harness.saliency.run_methods import compute


def explain(
    model: Any,
    images: ArrayLike,
    method: str = "gradient",
    *,
    targets: ArrayLike | None = None,
    image_keys: Sequence[str] | None = None,
    seed: int = 0,
    **parameters: Any,
) -> Array:
    """Maps (N, H, W) float32 in the geometry of the images, not normalised: what `method` says about each image.

    model       a functional or sequential Keras or Larq model, or a GradientEngine to use it again.
    images      (N, H, W, C), preprocessed as the model expects them.
    targets     (N,) class indices; None explains the predicted class.
    parameters  of the method, such as noise_level=0.1, samples=50.

    For raw attributions, notes and several methods in one pass: GradientEngine, compute and compute_many.
    """
    engine = model if isinstance(model, GradientEngine) else GradientEngine(model)
    found = compute(engine, method, images, targets, image_keys, seed=seed, parameters=parameters)
    return saliency_map(found.values, np.shape(images)[1:3], channels=method_spec(method).channels)
