"""Blank maps: which they are, and why. Only the computation that made a map can tell, so it is asked there.

A cause is one of these words, so that reports can count them; "" stands for a map that shows something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.saliency.attribution import Array

ONE_PIXEL = "1x1 map"
ALL_NEGATIVE = "all negative before the ReLU"
ZERO_GRADIENT = "zero gradient"
ZERO_FEATURES = "zero features"
NO_POSITIVE_GRADIENT = "no positive gradient"  # for methods that drop negative gradients
AT_BASELINE = "equals its baseline"  # for methods that compare an image with one
CONSTANT = "constant"
CAUSES = (
    ONE_PIXEL,
    ALL_NEGATIVE,
    ZERO_GRADIENT,
    ZERO_FEATURES,
    NO_POSITIVE_GRADIENT,
    AT_BASELINE,
    CONSTANT,
)


def is_blank(values: Array) -> NDArray[np.bool_]:
    """(N,) True where an attribution is the same everywhere, up to rounding."""
    flat = values.reshape(len(values), -1)
    spread = flat.max(axis=1) - flat.min(axis=1)
    return np.asarray(spread <= 1e-6 * np.abs(flat).max(axis=1))


def blank_causes(
    values: Array, before_relu: Array, *, gradients: Array | None = None, features: Array | None = None
) -> tuple[str, ...]:
    """(N,) why each map is blank, "" where it is not.

    before_relu  the map before its negative values were dropped; the map itself if none were.
    gradients    what the map was made of, and `features` weighted by them, as far as the method has them.
    """
    blank = is_blank(values)

    def of(arrays: Array | None, i: int) -> Array | None:
        return None if arrays is None else arrays[i]

    return tuple(
        _cause(values[i], before_relu[i], of(gradients, i), of(features, i)) if blank[i] else ""
        for i in range(len(values))
    )


def _cause(values: Array, before_relu: Array, gradients: Array | None, features: Array | None) -> str:
    if values.shape[:2] == (1, 1):
        return ONE_PIXEL
    if values.any():
        return CONSTANT
    if before_relu.any():
        return ALL_NEGATIVE
    if gradients is not None and not gradients.any():
        return ZERO_GRADIENT
    if features is not None and not features.any():
        return ZERO_FEATURES
    if features is not None and gradients is not None and not (gradients > 0).any():
        return NO_POSITIVE_GRADIENT
    return CONSTANT


def notes_on_blank_maps(causes: Sequence[str], arguments: Mapping[str, Any]) -> list[str]:
    """A sentence per cause, with a way out where there is one."""
    notes = []
    for cause in sorted(set(causes) - {""}):
        note = f"blank: the map of {causes.count(cause)} of {len(causes)} images: {cause}"
        if cause == CONSTANT and arguments.get("output") == "score":
            note += ', perhaps since the score is saturated: try output = "logit"'
        notes.append(note)
    return notes
