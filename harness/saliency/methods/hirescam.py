"""HiResCAM: every feature weighted by its own gradient, signs kept (Draelos & Carin 2020, arXiv:2011.08891)."""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Backward


def hirescam(backward: Backward, *, layer: str) -> Array:
    """Map (N, h, w) in the geometry of the layer's features, before a ReLU.

    If only linear layers follow, its sum is the logit up to the bias.
    """
    return np.asarray((backward.gradients[layer] * backward.features[layer]).sum(axis=-1), np.float32)
