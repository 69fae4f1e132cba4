"""HiResCAM: every feature weighted by its own gradient, signs kept (Draelos & Carin 2020, arXiv:2011.08891)."""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Backward


def hirescam(backward: Backward, *, layer: str, relu: bool = True) -> Array:
    """Map (N, h, w) in the geometry of the layer's features.

    Without `relu`, and if only linear layers follow, its sum is the logit up to the bias.
    """
    maps = (backward.gradients[layer] * backward.features[layer]).sum(axis=-1)
    return np.asarray(np.maximum(maps, 0) if relu else maps, np.float32)
