"""Localisation: does the map lie on the object? (Kohlbrenner et al. 2020, arXiv:1910.09840.)"""

from __future__ import annotations

import numpy as np

from harness.quality import Evidence, Maps, Values


def mass_in_object(maps: Maps, evidence: Evidence) -> Values:
    """Share of each map's magnitude inside the object's mask, 0 … 1. NaN for a blank map."""
    if evidence.masks is None:
        return np.full(len(maps), np.nan)
    magnitudes = np.abs(maps.astype(np.float64))
    with np.errstate(invalid="ignore"):
        values: Values = (magnitudes * evidence.masks).sum((1, 2)) / magnitudes.sum((1, 2))
    return values
