"""What each part of a design contributes to an outcome: one design minus another, over seeds and images.

Networks are named as in examples/ablation.toml. A difference is paired: same seed, same image, the two designs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.data.crossed import Estimate, crossed_mean
from reports.data.power import holm
from reports.sections.claims import FAITHFUL
from reports.sections.contrasts import PerImage, Study, table_of

SEEDS = (0, 1, 2)
WEAK, STRONG = (0.02, 0.04, 0.06), (0.10, 0.15, 0.20)  # where the paper saw the best maps of each family
AT_STRONG_NOISE = 0.20


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A number for each image of a network. `of` takes the study, the network and the estimator that explains it."""

    name: str
    of: Callable[[Study, str, str], PerImage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A part of a design, and the two designs whose difference is what it contributes: `design` minus `reference`.

    estimators  that explain the two; "own" is the one that a network was trained with.
    """

    part: str
    design: str
    reference: str
    estimators: tuple[str, str] = ("own", "own")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An effect on one outcome, with its p-value after Holm's correction for all effects on that outcome."""

    effect: Effect
    outcome: str
    mean: Estimate
    p: float
    images: int


def network(design: str, seed: int) -> str:
    return f"ablation-{design}-seed{seed}"


# ------------------------------------------------------------------------------------------------------- outcomes
def _score(method: str, metric: str, **having: Any) -> Callable[[Study, str, str], PerImage]:
    def of(study: Study, name: str, estimator: str) -> PerImage:
        return study.scores((name,), method, metric, having={**having, "ste": estimator})

    return of


def _gain_from_strong_noise(study: Study, name: str, estimator: str) -> PerImage:
    """The mean score at the levels that suit float models, minus that at those that suit binarized ones."""
    levels = [_score("smoothgrad", FAITHFUL, noise_level=level)(study, name, estimator) for level in (*WEAK, *STRONG)]
    weak, strong = levels[: len(WEAK)], levels[len(WEAK) :]
    common = [image for image in levels[0] if all(image in scores for scores in levels)]
    return {
        image: float(np.mean([scores[image] for scores in strong]) - np.mean([scores[image] for scores in weak]))
        for image in common
    }


def _likeness_to_gradient(study: Study, name: str, estimator: str) -> PerImage:
    having = {"noise_level": AT_STRONG_NOISE, "ste": estimator}
    return study.agreements((name,), "reference", "smoothgrad", having=having)


def _amplification(study: Study, name: str, estimator: str) -> PerImage:
    """Of the weakest noise that was followed, at the last layer; no gradient is involved, and so no estimator."""
    return study.amplifications((name,), study.noise_levels()[0], at=-1) if study.noise_levels() else {}


NOISINESS = Outcome(
    name="SmoothGrad at 20 %: total variation",
    of=_score("smoothgrad", "total_variation", noise_level=AT_STRONG_NOISE),
)
PREFERENCE = Outcome(name="SmoothGrad: gain from strong noise", of=_gain_from_strong_noise)
CAM_INSERTION = Outcome(name="GradCAM: insertion", of=_score("gradcam", FAITHFUL))
CAM_MASS = Outcome(name="GradCAM: mass in object", of=_score("gradcam", "mass_in_object"))
AMPLIFICATION = Outcome(name="Amplification of 1 % noise: last layer", of=_amplification)
OUTCOMES = (NOISINESS, PREFERENCE, CAM_INSERTION, CAM_MASS, AMPLIFICATION)
BESIDE = (
    Outcome(name="SmoothGrad at 20 %: insertion", of=_score("smoothgrad", FAITHFUL, noise_level=AT_STRONG_NOISE)),
    Outcome(name="SmoothGrad at 20 %: entropy", of=_score("smoothgrad", "entropy", noise_level=AT_STRONG_NOISE)),
    Outcome(name="SmoothGrad at 20 %: likeness to Gradient", of=_likeness_to_gradient),
    Outcome(name="GradCAM: pointing game", of=_score("gradcam", "pointing_game_hit_rate")),
    Outcome(name="GradCAM: blank maps", of=_score("gradcam", "blank_share")),
)

# -------------------------------------------------------------------------------------------------------- effects
EFFECTS = (
    Effect(part="weights and activations binarized", design="binary", reference="float"),
    Effect(part="weights binarized alone", design="weights-only", reference="float"),
    Effect(part="activations binarized alone", design="activations-only", reference="float"),
    Effect(part="first blocks binarized alone", design="first-blocks", reference="float"),
    Effect(part="last blocks binarized alone", design="last-blocks", reference="float"),
    Effect(part="scale factors, binarized", design="scaled", reference="binary"),
    Effect(part="approx_sign in training and explaining", design="approx-sign", reference="binary"),
    Effect(part="swish_sign in training and explaining", design="swish-sign", reference="binary"),
    Effect(part="no ReLU, binarized", design="no-relu", reference="binary"),
    Effect(part="no ReLU, float", design="float-no-relu", reference="float"),
    Effect(part="batch norm before the sign, binarized", design="norm-first", reference="binary"),
    Effect(part="batch norm first, float", design="float-norm-first", reference="float"),
    Effect(part="no shortcut, binarized", design="no-shortcut", reference="binary"),
    Effect(part="no shortcut, binarized, norm first", design="norm-first-no-shortcut", reference="norm-first"),
    Effect(part="no shortcut, float", design="float-no-shortcut", reference="float"),
)


ESTIMATORS = (
    Effect(
        part="approx_sign in explaining", design="binary", reference="binary", estimators=("approx_sign", "ste_sign")
    ),
    Effect(part="swish_sign in explaining", design="binary", reference="binary", estimators=("swish_sign", "ste_sign")),
    Effect(
        part="approx_sign in training", design="approx-sign", reference="binary", estimators=("ste_sign", "ste_sign")
    ),
    Effect(part="swish_sign in training", design="swish-sign", reference="binary", estimators=("ste_sign", "ste_sign")),
)


def findings(study: Study, outcome: Outcome, effects: Sequence[Effect] = EFFECTS) -> list[Finding]:
    """The effects on an outcome of which the run has both designs for every seed, corrected together."""
    tables = [(effect, differences(study, outcome, effect)) for effect in effects]
    measured = [(effect, table, crossed_mean(table)) for effect, table in tables if table.size]
    corrected = holm([mean.p for *_, mean in measured])
    return [
        Finding(effect=effect, outcome=outcome.name, mean=mean, p=p, images=table.shape[1])
        for (effect, table, mean), p in zip(measured, corrected)
    ]


def differences(study: Study, outcome: Outcome, effect: Effect) -> NDArray[np.float64]:
    """(seeds, images) of the images that all networks of both designs have; empty where one has none."""
    sides = zip((effect.design, effect.reference), effect.estimators)
    columns = [[outcome.of(study, network(design, seed), estimator) for seed in SEEDS] for design, estimator in sides]
    design, reference = table_of(columns).T
    return np.asarray(design - reference)


def values(study: Study, outcome: Outcome, design: str) -> NDArray[np.float64]:
    """(seeds, images) of one design; empty where a seed has none."""
    return table_of([[outcome.of(study, network(design, seed), "own") for seed in SEEDS]])[..., 0].T
