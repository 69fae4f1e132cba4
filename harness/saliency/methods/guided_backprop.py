"""Guided Backprop: only positive gradients pass a ReLU backwards (Springenberg et al. 2014, arXiv:1412.6806).

Caveat: it fails the parameter-randomisation sanity check of Adebayo et al. 2018 (arXiv:1810.03292): the map of a
model with random weights looks much the same, so it shows edges of the image more than what the model does.
"""

from __future__ import annotations

from harness.saliency.attribution import Array, Backward


def guided_backprop(backward: Backward) -> Array:
    """The guided gradient, (N, H, W, C), signed: the engine was asked for the guided rule in every ReLU."""
    return backward.input_gradient
