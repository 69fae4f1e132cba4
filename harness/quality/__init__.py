"""Scores for a saliency map, each one small module. It never computes a map and never shows one.

The quality stage of a run calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Maps = NDArray[np.float32]
Values = NDArray[np.float64]
ScoreFunction = Callable[[Images, NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a metric may look at besides the map.

    images   (N, H, W, C) uint8 at the model's input size.
    targets  (N,) the class that each map explains.
    masks    (N, H, W) bool, true on the object; None where nobody knows.
    score    judge: images and their classes -> softmax probability of that class, each in 0 … 1.
    steps    number of equal portions in which pixels are removed or inserted.
    """

    images: Images
    targets: NDArray[np.int64]
    masks: NDArray[np.bool_] | None
    score: ScoreFunction
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric. `load` names a function (maps (N, H, W), Evidence) -> values (N,), NaN where undefined."""

    load: str
    better: str  # "higher" or "lower"
    unit: str
    paper: str
    summary: str
    pitfall: str
    needs_mask: bool = False
    needs_judge: bool = False


METRICS: dict[str, MetricSpec] = {
    "insertion_auc": MetricSpec(
        load="harness.quality.perturbation:insertion_auc",
        better="higher",
        unit="probability",
        paper="arXiv:1806.07421",
        summary="mean probability while a blurred image is uncovered, most salient pixels first",
        pitfall="depends on how confident the network is: compare networks only with care",
        needs_judge=True,
    ),
    "deletion_auc": MetricSpec(
        load="harness.quality.perturbation:deletion_auc",
        better="lower",
        unit="probability",
        paper="arXiv:1806.07421",
        summary="mean probability while pixels turn to the image's mean colour, most salient first",
        pitfall="removed pixels make images the network never saw, so any scattered map may score well",
        needs_judge=True,
    ),
    "sparseness": MetricSpec(
        load="harness.quality.sparseness:sparseness",
        better="higher",
        unit="Gini index",
        paper="arXiv:1810.06583",
        summary="how few pixels carry the map, 0 (all alike) to 1 (one pixel)",
        pitfall="says nothing about whether these pixels matter",
    ),
    "mass_in_object": MetricSpec(
        load="harness.quality.localisation:mass_in_object",
        better="higher",
        unit="fraction",
        paper="arXiv:1910.09840",
        summary="share of the map's magnitude that lies on the object",
        pitfall="grows with the object: compare on the same images",
        needs_mask=True,
    ),
}
