"""Gradient: how the class logit changes with every input value (Simonyan et al. 2013, arXiv:1312.6034)."""

from __future__ import annotations

from harness.saliency.attribution import Array, Backward


def gradient(backward: Backward) -> Array:
    """d target logit / d input, (N, H, W, C): signed, no absolute value, no normalisation."""
    return backward.input_gradient
