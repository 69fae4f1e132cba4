"""GradCAM: feature maps of one layer, each weighted by its mean gradient (Selvaraju et al. 2016, arXiv:1610.02391)."""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Backward


def gradcam(backward: Backward, *, layer: str, invert: bool = False) -> Array:
    """Map (N, h, w) in the geometry of the layer's features, before the ReLU of the paper.

    invert  flip the signs of the weights: after the ReLU, a map of the evidence against the class (the
            "counterfactual explanation" of the paper).
    """
    weights = backward.gradients[layer].mean(axis=(1, 2))
    maps = np.einsum("nhwc,nc->nhw", backward.features[layer], -weights if invert else weights, optimize=True)
    return np.asarray(maps, np.float32)
