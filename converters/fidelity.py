"""Does the artifact still say what its Keras model says? Pure comparison of the answers of both to the same images.

Scores after a softmax hide differences between unlikely classes, and int8 scores have 256 steps, so logits are compared
where the artifact has them. A softmax forgets the logits' mean: what is compared are logits minus their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Array = NDArray[np.float64]

LEAST_PROBABILITY = 1e-37  # below it float32 loses digits, and the logarithm means nothing
SLACK = 2.0  # the model differs from itself with all zeros rounded alike; a runtime rounds one up and the next down
CHAOS = 0.5  # of the spread: an answer that rounding moves so far is not an answer
RESOLUTION = 1e-4  # logits closer than this say nothing: half floats know them no better, float32 probabilities to 1e-7
VISIBLE = 1e-3  # of the spread: float32 arithmetic in another order moves logits by 1e-6 to 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model says: scores (N, K) and, where they are known, logits (N, K) up to a constant for each image."""

    scores: Scores
    logits: Scores | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How closely an artifact follows its Keras model on the same images.

    top1_agreement     fraction of images whose best class is the same, 0 … 1.
    near_ties          images on which the artifact visibly differs, but no more than the Keras model from itself when
                       zeros among its binarized activations are rounded the other way; and images on which the Keras
                       model gives the artifact's class the same score as its own. They are counted apart.
    agreement_apart    top-1 agreement on the other images; None when there are none.
    max/mean_abs_score_difference   over all images and classes, in units of the scores.
    compared           "logits", or "scores" where the artifact does not end in a softmax that can be taken off.
    max/mean_abs_logit_difference   over all images and classes, of centred logits; None when scores were compared.
    relative_difference             mean over images without near-ties, as a fraction of the standard deviation of what
                                    was compared; None when there are none.
    rank_correlation   mean over images of Spearman's correlation of what was compared; None where a row is constant.
    """

    images: int
    top1_agreement: float
    near_ties: int
    agreement_apart: float | None
    max_abs_score_difference: float
    mean_abs_score_difference: float
    compared: str
    max_abs_logit_difference: float | None
    mean_abs_logit_difference: float | None
    relative_difference: float | None
    rank_correlation: float | None

    def verdict(
        self, *, suspect_below: float, suspect_above: float = np.inf, reference: str = "the Keras model"
    ) -> tuple[str, str]:
        """("ok", "") or ("suspect", the reason). `reference` is what the artifact was compared with, in words."""
        judged = self.images - self.near_ties
        apart = f" ({self.near_ties} near-ties apart)" if self.near_ties else ""
        if self.agreement_apart is None or self.relative_difference is None:
            return "suspect", f"on every image, rounding alone decides the answer of {reference}"
        if self.agreement_apart < suspect_below:
            return "suspect", (
                f"top-1 agrees with {reference} on {self.agreement_apart:.1%} of {judged} images{apart}, "
                f"expected at least {suspect_below:.0%}"
            )
        if self.relative_difference > suspect_above:
            return "suspect", (
                f"{self.compared} differ from those of {reference} by {self.relative_difference:.1%} of their spread "
                f"on {judged} images{apart}, expected at most {suspect_above:.0%}"
            )
        return "ok", ""


def compare(reference: Answers, artifact: Answers, *, own_difference: Array | None = None) -> Fidelity:
    """Compare the answers of the Keras model and of the artifact to the same images.

    own_difference  (N,) how far the Keras model differs from itself (`relative_differences` of its answers with zeros
                    rounded up and down); None where it has no binarized activations.
    """
    if reference.scores.shape != artifact.scores.shape:
        raise ValueError(f"score tables differ in shape: {reference.scores.shape} and {artifact.scores.shape}")
    agrees = reference.scores.argmax(1) == artifact.scores.argmax(1)
    score_difference = np.abs(reference.scores.astype(np.float64) - artifact.scores)
    logits = reference.logits is not None and artifact.logits is not None
    difference = _centred_difference(reference, artifact) if logits else score_difference
    relative = relative_differences(reference, artifact)
    tied = _near_ties(relative, own_difference) | _no_margin(reference, artifact)
    return Fidelity(
        images=len(agrees),
        top1_agreement=float(agrees.mean()),
        near_ties=int(tied.sum()),
        agreement_apart=_mean(agrees[~tied]),
        max_abs_score_difference=float(score_difference.max()),
        mean_abs_score_difference=float(score_difference.mean()),
        compared="logits" if logits else "scores",
        max_abs_logit_difference=float(np.nanmax(difference)) if logits else None,
        mean_abs_logit_difference=float(np.nanmean(difference)) if logits else None,
        relative_difference=_mean(relative[~tied]),
        rank_correlation=_mean_rank_correlation(*_comparable(reference, artifact)),
    )


def relative_differences(first: Answers, second: Answers) -> Array:
    """(N,) mean difference of each image's logits over the logits' standard deviation; of its scores without logits."""
    if first.logits is not None and second.logits is not None:
        difference, spread = _centred_difference(first, second), np.nanstd(_centred(first.logits))
    else:
        difference, spread = np.abs(first.scores.astype(np.float64) - second.scores), first.scores.std()
    fractions: Array = np.nanmean(difference, axis=1) / max(float(spread), RESOLUTION)
    return fractions


def logits_of(probabilities: Scores) -> Scores:
    """Logits up to a constant, out of the probabilities that a softmax made of them; NaN where they vanished."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(probabilities.astype(np.float64))
    return np.where(probabilities > LEAST_PROBABILITY, logarithms, np.nan).astype(np.float32)


def _near_ties(relative: Array, own_difference: Array | None) -> NDArray[np.bool_]:
    if own_difference is None:
        return np.zeros(len(relative), bool)
    return (relative > VISIBLE) & ((relative <= SLACK * own_difference) | (own_difference >= CHAOS))


def _no_margin(reference: Answers, artifact: Answers) -> NDArray[np.bool_]:
    """Images where the artifact prefers another class, which the Keras model gives the same score but for rounding."""
    rows = np.arange(len(reference.scores))
    chosen, best = artifact.scores.argmax(1), reference.scores.argmax(1)
    margin = 1 - reference.scores[rows, chosen] / reference.scores[rows, best]
    tied: NDArray[np.bool_] = (chosen != best) & (margin <= RESOLUTION)
    return tied


def _centred_difference(first: Answers, second: Answers) -> Array:
    assert first.logits is not None
    assert second.logits is not None
    known = ~np.isnan(first.logits) & ~np.isnan(second.logits)
    a, b = (np.where(known, logits, np.nan).astype(np.float32) for logits in (first.logits, second.logits))
    difference: Array = np.abs(_centred(a) - _centred(b))
    return difference


def _centred(logits: Scores) -> Array:
    wide = logits.astype(np.float64)
    centred: Array = wide - np.nanmean(wide, axis=1, keepdims=True)
    return centred


def _comparable(first: Answers, second: Answers) -> tuple[Scores, Scores]:
    """What is ranked: logits where both have them, a vanished one as the lowest."""
    if first.logits is None or second.logits is None:
        return first.scores, second.scores
    return np.nan_to_num(first.logits, nan=-np.inf), np.nan_to_num(second.logits, nan=-np.inf)


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _mean_rank_correlation(first: Scores, second: Scores) -> float | None:
    from scipy.stats import rankdata

    a, b = rankdata(first, axis=1), rankdata(second, axis=1)
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    spread = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    if not spread.all():
        return None
    return float(((a * b).sum(1) / spread).mean())
