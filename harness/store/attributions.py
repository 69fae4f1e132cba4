"""Stored attributions, and the maps made of them: the same ones for scores and for figures."""

from __future__ import annotations

from harness.maps import Array, saliency_map
from harness.store.units import StoredUnit


def stored_maps(saliency: StoredUnit, values: Array, size: tuple[int, ...]) -> Array:
    """Maps (N, H, W) of this size (H, W), of attributions that a saliency unit stored: of all of them, or of some."""
    return saliency_map(values, size, channels=saliency.result["channels"])
