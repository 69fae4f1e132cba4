"""What a part contributes: planted effects are found, equal designs have none, and only what was measured is told."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.ablation_effects import (
    EFFECTS,
    OUTCOMES,
    PREFERENCE,
    SEEDS,
    STRONG,
    WEAK,
    Effect,
    Outcome,
    differences,
    findings,
    network,
)
from benchmarks.ablation_page import best_levels, effect_text, effects_table, learnt
from harness.models.designs import DESIGNS
from reports.sections.contrasts import PerImage

IMAGES = [f"image {i}" for i in range(24)]
PART = Effect(part="a part", design="with", reference="without")
Means = Callable[[str, dict[str, Any]], float]


class Scores:
    """In the place of a study: every score of a network is its mean, and what its seed and the image bring to it."""

    def __init__(self, mean: Means, *, images: Sequence[str] = IMAGES, missing: str = "") -> None:
        self._mean, self._images, self._missing = mean, images, missing

    def scores(self, models: tuple[str], method: str, metric: str, *, having: dict[str, Any]) -> PerImage:
        (name,) = models
        if name == self._missing:
            return {}
        rng = np.random.default_rng(zlib.crc32(f"{name} {having}".encode()))
        of_seed = rng.normal(0, 0.02)
        return {image: self._mean(name, having) + of_seed + rng.normal(0, 0.05) for image in self._images}


def constant(value: float) -> Means:
    return lambda name, having: value


def of_design(**means: float) -> Means:
    return lambda name, having: means[name.split("-")[1]]


def strongest(best: float) -> Means:
    return lambda name, having: 0.9 if having["noise_level"] == best else 0.5


ANY = Outcome(name="any", of=lambda study, name, ste: study.scores((name,), "gradient", "entropy", having={"ste": ste}))


# ------------------------------------------------------------------------------------------------------------ effects
def test_a_planted_effect_is_found_with_its_sign() -> None:
    (found,) = findings(Scores(of_design(**{"with": 0.7, "without": 0.4})), ANY, [PART])  # type: ignore[arg-type]
    assert found.mean.interval.value == pytest.approx(0.3, abs=0.06)
    assert found.p < 0.05
    assert found.images == len(IMAGES)


def test_of_designs_that_do_not_differ_few_effects_are_clear() -> None:
    """Forty pairs of designs with the same mean: without correction about two would look clear."""
    effects = [Effect(part=str(i), design=f"x{i}", reference=f"y{i}") for i in range(40)]
    found = findings(Scores(constant(0.5)), ANY, effects)  # type: ignore[arg-type]
    assert sum(finding.p <= 0.05 for finding in found) == 0
    held = [finding.mean.interval.low <= 0 <= finding.mean.interval.high for finding in found]  # type: ignore[operator]
    assert np.mean(held) >= 0.9


def test_p_values_are_corrected_for_all_effects_on_an_outcome() -> None:
    study = Scores(of_design(**{"with": 0.52, "without": 0.5, "other": 0.5}))
    (alone,) = findings(study, ANY, [PART])  # type: ignore[arg-type]
    others = [Effect(part=str(i), design="other", reference="without") for i in range(9)]
    together = findings(study, ANY, [PART, *others])[0]  # type: ignore[arg-type]
    assert alone.p < together.p <= min(1.0, 10 * alone.p)


def test_differences_are_paired_by_seed_and_image() -> None:
    study = Scores(constant(0.5))
    found = differences(study, ANY, Effect(part="none", design="same", reference="same"))  # type: ignore[arg-type]
    assert found.shape == (len(SEEDS), len(IMAGES))
    assert not found.any()


def test_an_effect_without_one_of_its_networks_is_left_out() -> None:
    study = Scores(constant(0.5), missing=network("with", 2))
    assert findings(study, ANY, [PART]) == []  # type: ignore[arg-type]


def test_the_estimators_of_an_effect_explain_its_two_sides() -> None:
    study = Scores(lambda name, having: {"approx_sign": 0.7, "ste_sign": 0.4}[having["ste"]])
    effect = Effect(part="it", design="with", reference="with", estimators=("approx_sign", "ste_sign"))
    assert differences(study, ANY, effect).mean() == pytest.approx(0.3, abs=0.06)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------- outcomes
@pytest.mark.parametrize(("best", "sign"), [(WEAK[1], -1), (STRONG[1], 1)])
def test_a_network_that_likes_strong_noise_gains_from_it(best: float, sign: int) -> None:
    gains = PREFERENCE.of(Scores(strongest(best)), "ablation-x-seed0", "own")  # type: ignore[arg-type]
    assert np.mean(list(gains.values())) == pytest.approx(sign * 0.4 / 3, abs=0.06)


def test_the_best_level_is_chosen_for_each_seed() -> None:
    study = Scores(strongest(0.06))
    assert best_levels(study, "x", [0.02, 0.06, 0.2]) == [0.06] * len(SEEDS)  # type: ignore[arg-type]


def test_every_effect_is_of_designs_that_there_are() -> None:
    assert {design for effect in EFFECTS for design in (effect.design, effect.reference)} == set(DESIGNS)


# --------------------------------------------------------------------------------------------------------- the page
def test_clear_effects_are_bold_in_the_table() -> None:
    study = Scores(of_design(**{"with": 0.7, "without": 0.4}))
    nothing = Effect(part="nothing", design="with", reference="with")
    table = effects_table([findings(study, ANY, [PART, nothing])])  # type: ignore[arg-type]
    head, _, clear, unclear = table.splitlines()
    assert head.split("|")[2].strip() == "any"
    assert "| **0." in clear
    assert "| 0.000 (0.000 to 0.000)" in unclear


def test_an_effect_of_too_few_images_has_no_interval() -> None:
    (found,) = findings(Scores(constant(0.5), images=IMAGES[:3]), ANY, [PART])  # type: ignore[arg-type]
    assert "(" not in effect_text(found)


def test_a_design_at_the_level_of_guessing_has_not_learnt() -> None:
    assert learnt({"good": [0.6, 0.7], "one seed bad": [0.6, 0.05]}) == {"good"}


def test_the_picture_names_every_outcome_and_part() -> None:
    from benchmarks.ablation_picture import picture

    study = Scores(of_design(**{"with": 0.7, "without": 0.4}))
    drawn = picture(findings(study, ANY, [PART]), level=0.05)  # type: ignore[arg-type]
    assert drawn.startswith("<svg")
    assert "any" in drawn
    assert "a part" in drawn


def test_the_outcomes_of_the_page_have_different_names() -> None:
    assert len({outcome.name for outcome in OUTCOMES}) == len(OUTCOMES)
