"""Sparseness: how few pixels carry the map (Chalasani et al. 2018, arXiv:1810.06583)."""

from __future__ import annotations

import numpy as np

from harness.quality import Evidence, Maps, Values


def sparseness(maps: Maps, evidence: Evidence) -> Values:
    """Gini index of the magnitudes of each map: 0 when all pixels are alike, 1 - 1/n when one of n carries all.

    NaN for a blank map, whose mass is nowhere.
    """
    magnitudes = np.sort(np.abs(maps.reshape(len(maps), -1).astype(np.float64)), axis=1)
    count = magnitudes.shape[1]
    total = magnitudes.sum(1)
    weights = (2 * np.arange(1, count + 1) - count - 1) / count
    with np.errstate(invalid="ignore"):
        values: Values = (magnitudes * weights).sum(1) / total
    return values
