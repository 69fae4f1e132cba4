"""GradCAM++: feature maps weighted by where gradients are positive (Chattopadhay et al. 2017, arXiv:1710.11063)."""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Backward


def gradcam_plus_plus(backward: Backward, *, layer: str, normalize_alpha: bool = False) -> Array:
    """Map (N, h, w) in the geometry of the layer's features, before the ReLU of the paper.

    The paper's weights for Y = exp(logit), without the factor exp(logit): it is one positive number per image and
    overflows float32.

    normalize_alpha  let the alphas of each channel sum to 1, as the authors' code and tf-keras-vis do.
    """
    features, gradients = backward.features[layer], backward.gradients[layer]
    # The paper's g^2 / (2 g^2 + g^3 sum A) without its squares and cubes, which may leave float32; 0 where g is 0.
    denominator = 2 + gradients * features.sum(axis=(1, 2), keepdims=True)
    alpha = np.divide(1, denominator, out=np.zeros_like(gradients), where=(denominator != 0) & (gradients != 0))
    if normalize_alpha:
        total = alpha.sum(axis=(1, 2), keepdims=True)
        alpha = np.divide(alpha, total, out=np.zeros_like(alpha), where=total != 0)
    weights = (alpha * np.maximum(gradients, 0)).sum(axis=(1, 2))
    maps = np.einsum("nhwc,nc->nhw", features, weights, optimize=True)
    return np.asarray(maps, np.float32)
