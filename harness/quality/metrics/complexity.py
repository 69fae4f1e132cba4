"""Complexity: how much a person would have to look at. None of these knows the model or the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Maps, MetricInputs, Values


def sparseness(maps: Maps, inputs: MetricInputs) -> Values:
    """Gini index of the magnitudes (Chalasani et al. 2018, arXiv:1810.06583).

    0 when all pixels are alike, 1 - 1/n when one of n carries all.
    """
    magnitudes = np.sort(_magnitudes(maps).reshape(len(maps), -1), axis=1)
    count = magnitudes.shape[1]
    weights = (2 * np.arange(1, count + 1) - count - 1) / count
    values: Values = (magnitudes * weights).sum(1) / magnitudes.sum(1)
    return values


def entropy(maps: Maps, inputs: MetricInputs) -> Values:
    """Shannon entropy of the pixels' fractions of the magnitude (Bhatt et al. 2020, arXiv:2005.00631), normalised.

    0 when one pixel carries all, 1 when all are alike: divided by ln(pixels), so that sizes can be compared.
    """
    fractions = _magnitudes(maps).reshape(len(maps), -1)
    fractions /= fractions.sum(1, keepdims=True)
    logarithms = np.log(fractions, out=np.zeros_like(fractions), where=fractions > 0)
    values: Values = -(fractions * logarithms).sum(1) / np.log(fractions.shape[1])
    return values


def total_variation(maps: Maps, inputs: MetricInputs) -> Values:
    """Mean absolute difference between neighbours over the mean magnitude (Rudin, Osher and Fatemi 1992)."""
    values = maps.astype(np.float64)
    differences = [np.abs(np.diff(values, axis=axis)).reshape(len(maps), -1) for axis in (1, 2)]
    mean: Values = np.concatenate(differences, axis=1).mean(1) / np.abs(values).mean((1, 2))
    return mean


def _magnitudes(maps: Maps) -> NDArray[np.float64]:
    """Absolute values, each map's greatest one 1: no power of a float32 is lost in a sum."""
    magnitudes = np.abs(maps.astype(np.float64))
    scaled: NDArray[np.float64] = magnitudes / magnitudes.max(axis=(1, 2), keepdims=True)
    return scaled
