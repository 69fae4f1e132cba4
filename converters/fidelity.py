"""Does the artifact still say what its Keras model says? Pure comparison of two score tables."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How closely an artifact follows its Keras model on the same images.

    top1_agreement             share of images whose best class is the same, 0 … 1.
    max/mean_abs_score_difference   over all images and classes, in units of softmax probability.
    rank_correlation           mean over images of Spearman's correlation of the class scores; None where a row is constant.
    """

    images: int
    top1_agreement: float
    max_abs_score_difference: float
    mean_abs_score_difference: float
    rank_correlation: float | None

    def verdict(self, *, suspect_below: float) -> tuple[str, str]:
        """("ok", "") or ("suspect", the reason)."""
        if self.top1_agreement >= suspect_below:
            return "ok", ""
        return "suspect", (
            f"top-1 agrees with the Keras model on {self.top1_agreement:.1%} of {self.images} images, "
            f"expected at least {suspect_below:.0%}"
        )


def compare(reference: Scores, artifact: Scores) -> Fidelity:
    """Compare class scores (N, K) of the Keras model and of the artifact on the same images."""
    if reference.shape != artifact.shape:
        raise ValueError(f"score tables differ in shape: {reference.shape} and {artifact.shape}")
    difference = np.abs(reference.astype(np.float64) - artifact)
    return Fidelity(
        images=len(reference),
        top1_agreement=float((reference.argmax(1) == artifact.argmax(1)).mean()),
        max_abs_score_difference=float(difference.max()),
        mean_abs_score_difference=float(difference.mean()),
        rank_correlation=_mean_rank_correlation(reference, artifact),
    )


def _mean_rank_correlation(first: Scores, second: Scores) -> float | None:
    from scipy.stats import rankdata

    a, b = rankdata(first, axis=1), rankdata(second, axis=1)
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    spread = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    if not spread.all():
        return None
    return float(((a * b).sum(1) / spread).mean())
