"""Complexity: how much a person would have to look at. None of these knows the network or the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Maps, MetricInputs, Values


def sparseness(maps: Maps, evidence: MetricInputs) -> Values:
    """Gini index of the magnitudes (Chalasani et al. 2018, arXiv:1810.06583).

    0 when all pixels are alike, 1 - 1/n when one of n carries all.
    """
    magnitudes = np.sort(_magnitudes(maps).reshape(len(maps), -1), axis=1)
    count = magnitudes.shape[1]
    weights = (2 * np.arange(1, count + 1) - count - 1) / count
    values: Values = (magnitudes * weights).sum(1) / magnitudes.sum(1)
    return values


def entropy(maps: Maps, evidence: MetricInputs) -> Values:
    """Shannon entropy of each pixel's share of the magnitude (Bhatt et al. 2020, arXiv:2005.00631), over its greatest.

    0 when one pixel carries all, 1 when all are alike: divided by ln(pixels), so that sizes can be compared.
    """
    shares = _magnitudes(maps).reshape(len(maps), -1)
    shares /= shares.sum(1, keepdims=True)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    values: Values = -(shares * logarithms).sum(1) / np.log(shares.shape[1])
    return values


def total_variation(maps: Maps, evidence: MetricInputs) -> Values:
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
