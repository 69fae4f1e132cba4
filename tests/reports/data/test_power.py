"""As many images as are said to be needed find a planted effect as often as was said; corrections are as published."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.data.power import holm, images_for_gap, images_needed, settles
from reports.data.stats import Interval, mean_interval
from reports.sections.expectations import Expected, above, below, between

REPETITIONS = 200
THREE_ERRORS = 3 * math.sqrt(0.8 * 0.2 / REPETITIONS)
SKEWED = {"skewed": 0.05, "hits": 0.02}  # what is left of a skewed value in its mean over some forty to ninety images


def interval(value: float, error: float) -> Interval:
    return Interval(value=value, low=value - 1.959964 * error, high=value + 1.959964 * error)


def test_images_for_a_mean_above_a_limit_are_those_of_the_closed_form() -> None:
    effect, spread = 0.02, 0.15
    needed = images_needed(interval(effect, spread / 8), 64, least=0.0, most=math.inf)
    assert needed == math.ceil(((1.959964 + 0.841621) * spread / effect) ** 2)


def test_four_times_as_many_images_are_needed_for_half_the_effect() -> None:
    whole, half = (images_needed(interval(effect, 0.05), 64, least=0, most=math.inf) for effect in (0.04, 0.02))
    assert whole
    assert half == pytest.approx(4 * whole, abs=4)


@pytest.mark.parametrize("truth", [0.02, -0.3])
def test_both_sides_of_limits_that_are_infinite_or_far_away_need_the_same(truth: float) -> None:
    one_sided = images_needed(interval(truth, 0.05), 64, least=0.0, most=math.inf)
    assert images_needed(interval(truth, 0.05), 64, least=0.0, most=1e6) == one_sided
    assert images_needed(interval(-truth, 0.05), 64, least=-math.inf, most=0.0) == one_sided


@pytest.mark.parametrize(
    "hopeless",
    [
        Interval(value=0.1, low=0.1, high=0.1),
        Interval(value=0.1, low=None, high=None),
        Interval(value=math.nan, low=math.nan, high=math.nan),
        interval(0.0, 0.05),
    ],
)
def test_values_that_do_not_vary_or_lie_on_the_limit_need_no_number_that_could_be_told(hopeless: Interval) -> None:
    assert images_needed(hopeless, 64, least=0.0, most=math.inf) is None


def test_a_higher_confidence_and_a_higher_power_need_more_images() -> None:
    effect = interval(0.02, 0.05)
    usual, surer, oftener = (
        images_needed(effect, 64, least=0.0, most=math.inf, **more)
        for more in ({}, {"confidence": 0.998}, {"power": 0.95})
    )
    assert usual
    assert usual < (surer or 0)
    assert usual < (oftener or 0)


def test_the_middle_of_two_limits_is_the_easiest_place() -> None:
    chances = [settles(truth, 0.04, least=-0.1, most=0.1) for truth in (-0.09, -0.05, 0.0, 0.05, 0.09)]
    assert chances[2] == max(chances)
    np.testing.assert_allclose(chances, chances[::-1])


def centred(rng: np.random.Generator, shape: str, count: int) -> np.ndarray:
    """Values over images of mean 0 and standard deviation 1."""
    if shape == "skewed":
        return rng.exponential(1.0, count) - 1.0
    if shape == "hits":
        return np.where(rng.random(count) < 0.2, 2.0, -0.5)
    return rng.normal(0.0, 1.0, count)


@pytest.mark.parametrize("shape", ["normal", "skewed", "hits"])
@pytest.mark.parametrize(
    ("truth", "expected", "verdict"),
    [
        (0.3, above(0), "supported"),
        (0.25, below(0), "not supported"),
        (0.1, between(-0.4, 0.4), "supported"),
        (0.0, between(-0.3, 0.3), "supported"),
        (0.6, between(-0.3, 0.3), "not supported"),
    ],
)
def test_planted_effects_are_found_with_the_stated_power(
    shape: str, truth: float, expected: Expected, verdict: str
) -> None:
    needed = images_needed(interval(truth, 1 / 8), 64, least=expected.least, most=expected.most)
    assert needed is not None
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(REPETITIONS):
        found = mean_interval(truth + centred(rng, shape, needed))
        assert found is not None
        verdicts.append(expected.verdict(found))
    assert verdicts.count(verdict) / REPETITIONS == pytest.approx(0.8, abs=THREE_ERRORS + SKEWED.get(shape, 0.0))


def test_half_the_images_find_it_less_often() -> None:
    needed = images_needed(interval(0.3, 1 / 8), 64, least=0.0, most=math.inf)
    assert needed is not None
    assert settles(0.3, 1 / math.sqrt(needed), least=0.0, most=math.inf) == pytest.approx(0.8, abs=0.01)
    assert settles(0.3, 1 / math.sqrt(needed / 2), least=0.0, most=math.inf) < 0.6


def test_images_for_a_gap_are_those_of_the_closed_form_and_of_the_interval() -> None:
    differences = [-0.2, -0.1, 0.0, 0.1, 0.2, 0.3]
    spread = math.sqrt(0.175 / 5)  # by hand: the squares around their mean 0.05 add up to 0.175
    needed = images_for_gap(differences, 0.01)
    assert needed == math.ceil(((1.959964 + 0.841621) * spread / 0.01) ** 2) == 2748
    assert needed == images_needed(interval(0.01, spread / 8), 64, least=0.0, most=math.inf)


def test_images_for_a_gap_depend_on_the_spread_not_on_the_present_gap() -> None:
    differences = np.random.default_rng(0).normal(0.0, 0.05, 40)
    usual, shifted, wider, surer, oftener = (
        images_for_gap(list(values), 0.01, **more)
        for values, more in (
            (differences, {}),
            (differences + 0.3, {}),
            (2 * differences, {}),
            (differences, {"confidence": 0.998}),
            (differences, {"power": 0.95}),
        )
    )
    assert usual
    assert shifted == usual
    assert wider == pytest.approx(4 * usual, abs=4)
    assert (surer or 0) > usual
    assert (oftener or 0) > usual


def test_images_for_a_gap_are_at_least_those_that_have_an_interval() -> None:
    assert images_for_gap([1e-4, 0.0, -1e-4, 0.0, 1e-4], 0.01) == 5


@pytest.mark.parametrize("hopeless", [[0.1] * 30, [0.1, 0.1 + 9e-6, 0.1, 0.1, 0.1], [0.0, 0.1, 0.2, 0.3], []])
def test_differences_that_vary_by_rounding_alone_or_are_too_few_give_no_number(hopeless: list[float]) -> None:
    assert images_for_gap(hopeless, 0.01) is None


@pytest.mark.parametrize("shape", ["normal", "skewed", "hits"])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_planted_gap_is_seen_with_the_stated_power(shape: str, direction: int) -> None:
    rng = np.random.default_rng(0)
    needed = images_for_gap(list(0.04 * centred(rng, shape, 5000)), 0.01)
    assert needed == pytest.approx(126, rel=0.06)
    seen = 0
    for _ in range(REPETITIONS):
        found = mean_interval(direction * 0.01 + 0.04 * centred(rng, shape, needed))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        seen += found.low > 0 if direction > 0 else found.high < 0
    assert seen / REPETITIONS == pytest.approx(0.8, abs=THREE_ERRORS + SKEWED.get(shape, 0.0))


def test_holms_correction_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
