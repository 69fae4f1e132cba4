"""Stored attributions, and the maps made of them: the same ones for scores and for figures."""

from __future__ import annotations

from harness.maps import Array, saliency_map
from harness.store.units import StoredUnit

# A saliency unit says how its channels are reduced. Those of the first versions do not; these methods added them up.
_ADDED_UP = ("input_times_gradient", "integrated_gradients")


def stored_maps(saliency: StoredUnit, values: Array, size: tuple[int, ...]) -> Array:
    """Maps (N, H, W) of this size (H, W), of attributions that a saliency unit stored: of all of them, or of some."""
    by_method = "sum" if saliency.spec["method"] in _ADDED_UP else "max_abs"
    return saliency_map(values, size, channels=saliency.result.get("channels", by_method))
