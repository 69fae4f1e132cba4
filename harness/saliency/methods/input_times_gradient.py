"""Gradient times input: every value's first-order part in the logit (Shrikumar et al. 2016, arXiv:1605.01713)."""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Backward


def input_times_gradient(backward: Backward) -> Array:
    """x * d target logit / d x, (N, H, W, C), signed; x in preprocessed units, so that its zero matters."""
    return np.asarray(backward.images * backward.input_gradient)
