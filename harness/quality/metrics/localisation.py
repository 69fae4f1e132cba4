"""Localisation: does the map lie on the object? Masks are those of the data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Maps, MetricInputs, Values


def mass_in_object(maps: Maps, inputs: MetricInputs) -> Values:
    """Fraction of each map's magnitude inside the object's mask, 0 … 1 (Kohlbrenner et al. 2020, arXiv:1910.09840)."""
    magnitudes = np.abs(maps.astype(np.float64))
    values: Values = (magnitudes * _masks(inputs)).sum((1, 2)) / magnitudes.sum((1, 2))
    return values


def pointing_game(maps: Maps, inputs: MetricInputs) -> Values:
    """1 where the greatest value lies on the object (Zhang et al. 2016, arXiv:1608.00507), without their tolerance.

    Several greatest pixels count as the fraction of them that lies on the object.
    """
    greatest = maps == maps.max(axis=(1, 2), keepdims=True)
    values: Values = (greatest & _masks(inputs)).sum((1, 2)) / greatest.sum((1, 2))
    return values


def relevance_rank_accuracy(maps: Maps, inputs: MetricInputs) -> Values:
    """Fraction of the object's K pixels among the K most salient (Arras et al. 2022, arXiv:2003.07258). 0 … 1.

    NaN where the mask is empty.
    """
    masks = _masks(inputs)
    sizes = masks.sum((1, 2))
    members = np.stack([top_members(saliency_map, size) for saliency_map, size in zip(maps, sizes)])
    with np.errstate(invalid="ignore"):
        values: Values = (members * masks).sum((1, 2)) / sizes
    return values


def top_members(saliency_map: Maps, count: int) -> NDArray[np.float64]:
    """(H, W): 1 for the `count` greatest values, 0 for the others; values tied at the border share what is left."""
    if count <= 0:
        return np.zeros(saliency_map.shape)
    border = np.partition(saliency_map, saliency_map.size - count, axis=None)[saliency_map.size - count]
    above, tied = saliency_map > border, saliency_map == border
    members: NDArray[np.float64] = above + tied * ((count - above.sum()) / tied.sum())
    return members


def _masks(inputs: MetricInputs) -> NDArray[np.bool_]:
    assert inputs.masks is not None
    return inputs.masks
