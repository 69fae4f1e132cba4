"""The claims of arXiv 2106.12569, each with its numbers and what is expected of them.

The paper looked at maps; here a claim is a few numbers with their intervals over images, and training runs where there
are several, and what it makes us expect of each. `reports.sections.answers` makes the verdict of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.data.stats import MIN_VALUES
from reports.sections.contrasts import FAMILIES, Contrast, Seeds, Study, difference, table_of
from reports.sections.evidence import Evidence, Together
from reports.sections.expectations import Expected, above, below, between

FAITHFUL = "insertion_naopc"  # the score by which models can be compared
BINARIZED = FAMILIES[1]
OWN = {"ste": "own"}
CAM = {"relu": True, "invert": False, **OWN}
LAST_LAYERS = ("last_activation", "default", "last_convolution")  # "default" is what earlier versions stored
ALIKE = 0.1  # of the full-precision mean: a smaller difference is none that a reader would see
ALMOST_RANDOM, KEEPS_SHAPE = 0.25, 0.5  # fraction of what a map scores above a random one that is left at strong noise
BEST_LEVELS = {"binarized": (0.02, 0.06), "full-precision": (0.10, 0.20)}  # where the paper saw the best maps


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number that settles a claim, or a part of it, before it is judged."""

    what: str
    evidence: Evidence | Together
    expected: Expected | None


def on_all_tasks(numbers: Sequence[Sequence[Number]]) -> list[Number]:
    """The numbers that several tasks have, each over all of these; what is expected is the mean of what is of each."""
    by_name: dict[str, list[Number]] = {}
    for number in [number for of_task in numbers for number in of_task]:
        by_name.setdefault(number.what, []).append(number)
    return [
        Number(
            what=what if len(same) == len(numbers) else f"{what}, {len(same)} of {len(numbers)} pairs",
            evidence=Together(parts=[each.evidence for each in same if isinstance(each.evidence, Evidence)]),
            expected=_mean_of([each.expected for each in same]),
        )
        for what, same in by_name.items()
        if len(same) > 1
    ]


def _mean_of(expected: Sequence[Expected | None]) -> Expected | None:
    known = [each for each in expected if each is not None]
    if len(set(known)) <= 1:
        return known[0] if known else None
    return between(float(np.mean([each.least for each in known])), float(np.mean([each.most for each in known])))


# --------------------------------------------------------------------------------------------------- the claims
Numbers = Iterator[Number | None]
Collect = Callable[[Study, Contrast], Numbers]


def _gradients_alike(study: Study, contrast: Contrast) -> Numbers:
    for metric in ("sparseness", "entropy", "total_variation", FAITHFUL, "deletion_naopc", "mass_in_object"):
        full, binarized = _both(study, contrast, "gradient", metric, OWN)
        margin = ALIKE * abs(float(table_of([full]).mean())) if all(full) else 0.0
        yield _number(f"{metric} of Gradient, binarized - float", difference(binarized, full), between(-margin, margin))


def _smoothgrad_is_noisier(study: Study, contrast: Contrast) -> Numbers:
    having = {"noise_level": 0.2, **OWN}
    for metric, expected in (("total_variation", above(0)), ("entropy", above(0)), (FAITHFUL, below(0))):
        full, binarized = _both(study, contrast, "smoothgrad", metric, having)
        yield _number(f"{metric} of SmoothGrad at 20 %, binarized - float", difference(binarized, full), expected)
    full, binarized = (
        contrast.each(family, partial(study.agreements, what="reference", method="smoothgrad", having=having))
        for family in FAMILIES
    )
    what = "rank correlation of SmoothGrad at 20 % with Gradient, binarized - float"
    yield _number(what, difference(binarized, full), below(0))


def _left_at_strong_noise(family: str, expected: Expected) -> Collect:
    """What the strongest noise leaves of that by which a map at the weakest noise is better than a random one."""

    def collect(study: Study, contrast: Contrast) -> Numbers:
        levels = study.levels("noise_level", "smoothgrad")
        if len(levels) < 2:
            return
        ends = (levels[0], levels[-1])
        swept = [_scores(study, contrast, family, "smoothgrad", FAITHFUL, {"noise_level": level}) for level in ends]
        random = _scores(study, contrast, family, "control-random", FAITHFUL, {})
        table = table_of([*swept, random])
        what = f"fraction of {FAITHFUL} above a random map's that is left from {ends[0]:.0%} to {ends[1]:.0%} noise"
        if len(table) >= MIN_VALUES:
            yield _number(what, Evidence(table=table, statistic=_fraction_left), expected)

    return collect


def _fraction_left(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns: little noise, much noise, random map."""
    little, much, random = np.moveaxis(means, -1, 0)
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # without a lead there is nothing of which a part could be left
        return np.asarray(np.where(little > random, (much - random) / (little - random), np.nan))


def _best_level(family: str) -> Collect:
    """Of one seed the level itself is judged. Three seeds drawn over and over say too little of a choice among levels:
    of several seeds it is by how much the best of the paper's levels leads the best other one, which is smooth.
    """
    least, most = BEST_LEVELS[family]

    def collect(study: Study, contrast: Contrast) -> Numbers:
        levels = study.levels("noise_level", "smoothgrad")
        for metric in (FAITHFUL, "mass_in_object"):
            columns = [
                _scores(study, contrast, family, "smoothgrad", metric, {"noise_level": level}) for level in levels
            ]
            if len(levels) >= 3 and (table := table_of(columns)).size:
                seeds = len(contrast.pairs)
                best = Evidence(table=table, statistic=partial(_best, levels), smooth=False)
                yield _number(f"noise level of the best {metric}", best, between(least, most) if seeds == 1 else None)
                if seeds > 1:
                    inside = np.array([least <= level <= most for level in levels])
                    what = f"{metric} at the best level of {least:.0%} to {most:.0%} - at the best other level"
                    yield _number(what, Evidence(table=table, statistic=partial(_lead, inside)), above(0))

    return collect


def _best(levels: Sequence[float], means: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.take(levels, means.argmax(axis=-1)), np.float64)


def _lead(inside: NDArray[np.bool_], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much better the best level inside is than the best one outside, of levels that are on both sides."""
    if inside.all() or not inside.any():
        return np.full(means.shape[:-1], np.nan)
    return np.asarray(means[..., inside].max(axis=-1) - means[..., ~inside].max(axis=-1))


def _noise_is_amplified(study: Study, contrast: Contrast) -> Numbers:
    for level in study.noise_levels()[:1]:
        full, binarized, first = (
            contrast.each(family, partial(study.amplifications, noise_level=level, at=at))
            for family, at in ((FAMILIES[0], -1), (FAMILIES[1], -1), (FAMILIES[1], 0))
        )
        what = f"amplification of {level:.0%} noise at the last layer"
        yield _number(f"{what}, binarized - float", difference(binarized, full), above(0))
        yield _number(f"{what} - at the first, binarized", difference(binarized, first), above(0))
        for family, amplified in zip(FAMILIES, (full, binarized)):
            yield _number(f"{what}, {family}", Evidence(table=table_of([amplified])) if all(amplified) else None)


def _gradcam_is_blank(study: Study, contrast: Contrast) -> Numbers:
    full, binarized = _both(study, contrast, "gradcam", "blank_share", _cam(study))
    yield _number("fraction of blank GradCAM maps, binarized - float", difference(binarized, full), above(0))


def _gradcam_misses(study: Study, contrast: Contrast) -> Numbers:
    for metric in ("mass_in_object", "pointing_game_hit_rate", FAITHFUL):
        full, binarized = _both(study, contrast, "gradcam", metric, _cam(study))
        yield _number(f"{metric} of GradCAM, binarized - float", difference(binarized, full), below(0))


def _variant_comes_closer(change: dict[str, Any], name: str) -> Collect:
    """Is the binarized model's GradCAM, changed so, more like that of its float twin, changed so, than unchanged?"""

    def collect(study: Study, contrast: Contrast) -> Numbers:
        usual, changed = (
            contrast.each(BINARIZED, partial(study.agreements, what="twin", method="gradcam", having=having))
            for having in (_cam(study), {**_cam(study), **change})
        )
        yield _number(
            f"rank correlation of the twins' GradCAM maps, {name} - usual", difference(changed, usual), above(0)
        )

    return collect


def _best_other_layer(family: str, expected: Expected) -> Collect:
    def collect(study: Study, contrast: Contrast) -> Numbers:
        others = [layer for layer in study.levels("layer", "gradcam") if layer not in LAST_LAYERS]
        usual = _scores(study, contrast, family, "gradcam", FAITHFUL, _cam(study))
        scored = {
            layer: _scores(study, contrast, family, "gradcam", FAITHFUL, {**CAM, "layer": layer}) for layer in others
        }
        known = {layer: scores for layer, scores in scored.items() if all(scores)}
        if all(usual) and known:
            means = table_of(list(known.values())).mean(axis=(0, 1))
            best = list(known)[int(means.argmax())]
            what = f"{FAITHFUL} of GradCAM at the best other layer ({best} of the way) - at the last"
            yield _number(what, difference(known[best], usual), expected)

    return collect


def _estimator_matters(study: Study, contrast: Contrast) -> Numbers:
    own = _scores(study, contrast, BINARIZED, "gradient", FAITHFUL, OWN)
    for ste in study.levels("ste", "gradient"):
        if ste != "own":
            other = _scores(study, contrast, BINARIZED, "gradient", FAITHFUL, {"ste": ste})
            yield _number(f"{FAITHFUL} of Gradient with {ste} - with the model's own", difference(other, own))


def _number(what: str, evidence: Evidence | None, expected: Expected | None = None) -> Number | None:
    return None if evidence is None else Number(what=what, evidence=evidence, expected=expected)


def _cam(study: Study) -> dict[str, Any]:
    """The parameters of GradCAM at the last layer, by the word that this run has for it."""
    levels = study.levels("layer", "gradcam")
    return {**CAM, "layer": next((layer for layer in LAST_LAYERS if layer in levels), LAST_LAYERS[0])}


def _scores(study: Study, contrast: Contrast, family: str, method: str, metric: str, having: dict[str, Any]) -> Seeds:
    return contrast.each(family, partial(study.scores, method=method, metric=metric, having=having))


def _both(study: Study, contrast: Contrast, method: str, metric: str, having: dict[str, Any]) -> tuple[Seeds, Seeds]:
    full, binarized = (_scores(study, contrast, family, method, metric, having) for family in FAMILIES)
    return full, binarized


CLAIMS: tuple[tuple[str, str, Collect], ...] = (
    ("3.2", "Gradient maps look the same for both families", _gradients_alike),
    ("3.3", "SmoothGrad at 20 % noise is much noisier for binarized models", _smoothgrad_is_noisier),
    (
        "3.3",
        "From weak to strong noise binarized maps decay to almost random",
        _left_at_strong_noise("binarized", below(ALMOST_RANDOM)),
    ),
    (
        "3.3",
        "From weak to strong noise full-precision maps keep the object's shape",
        _left_at_strong_noise("full-precision", above(KEEPS_SHAPE)),
    ),
    ("3.3", "The best noise level is 2-6 % for binarized models", _best_level("binarized")),
    ("3.3", "The best noise level is 10-20 % for full-precision models", _best_level("full-precision")),
    ("3.3", "Binarized models amplify perturbations more, layer by layer", _noise_is_amplified),
    ("3.4", "GradCAM of binarized models is often blank", _gradcam_is_blank),
    ("3.4", "GradCAM of binarized models often highlights the background", _gradcam_misses),
    ("3.4", "Without the ReLU binarized maps come closer", _variant_comes_closer({"relu": False}, "no ReLU")),
    ("3.4", "Inverted, binarized maps come closer", _variant_comes_closer({"invert": True}, "inverted")),
    ("3.4", "The last layer is best for full-precision models", _best_other_layer("full-precision", below(0))),
    ("3.4", "Binarized models store more at another layer than the last", _best_other_layer("binarized", above(0))),
    ("2", "The straight-through estimator is a choice", _estimator_matters),
)
