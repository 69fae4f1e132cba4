"""Intervals over seeds and images: known answers, and how often they hold of tables whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from reports.data.crossed import crossed_mean
from reports.data.stats import mean_interval

TABLES = 600
SEEDS, IMAGES = 3, 24


def tables(*, between_seeds: float, between_images: float, mean: float = 0.0) -> NDArray[np.float64]:
    """(tables, seeds, images): each cell is the mean, plus what its seed and its image bring, plus noise of size 1."""
    rng = np.random.default_rng(0)
    of_seeds = between_seeds * rng.normal(size=(TABLES, SEEDS, 1))
    of_images = between_images * rng.normal(size=(TABLES, 1, IMAGES))
    return mean + of_seeds + of_images + rng.normal(size=(TABLES, SEEDS, IMAGES))


def covered(found: NDArray[np.float64], *, truth: float = 0.0) -> float:
    intervals = [crossed_mean(table).interval for table in found]
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))  # type: ignore[operator]


def width(table: NDArray[np.float64]) -> float:
    interval = crossed_mean(table).interval
    return interval.high - interval.low  # type: ignore[operator]


# ------------------------------------------------------------------------------------------------ how often it holds
@pytest.mark.parametrize("between_seeds", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("between_images", [0.0, 0.5])
def test_where_nothing_is_to_be_found_the_interval_holds_zero_as_often_as_it_says(
    between_seeds: float, between_images: float
) -> None:
    assert 0.90 <= covered(tables(between_seeds=between_seeds, between_images=between_images)) <= 1


def test_a_bootstrap_of_three_seeds_would_claim_too_much() -> None:
    """Seeds drawn with replacement, and images within each of them: why intervals are not made so."""
    rng = np.random.default_rng(1)
    held = []
    for table in tables(between_seeds=1.0, between_images=0.5)[:200]:
        seeds = rng.integers(SEEDS, size=(300, SEEDS, 1))
        drawn = table[seeds, rng.integers(IMAGES, size=(300, SEEDS, IMAGES))].mean(axis=(1, 2))
        low, high = np.percentile(drawn, [2.5, 97.5])
        held.append(low <= 0 <= high)
    assert np.mean(held) < 0.85


def test_a_planted_effect_is_found() -> None:
    planted = tables(between_seeds=0.1, between_images=0.5, mean=1.0)
    assert np.mean([crossed_mean(table).p < 0.05 for table in planted]) > 0.95
    assert covered(planted, truth=1.0) > 0.90


# ------------------------------------------------------------------------------------------------------ known answers
def test_with_images_that_all_agree_it_is_students_interval_of_the_seeds() -> None:
    of_seeds = np.array([0.1, 0.4, 0.5])
    expected = scipy.stats.ttest_1samp(of_seeds, 0.0)
    found = crossed_mean(np.repeat(of_seeds[:, None], IMAGES, axis=1))
    bounds = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))
    assert found.p == pytest.approx(expected.pvalue)


def test_with_seeds_that_all_agree_it_is_students_interval_of_the_images() -> None:
    of_images = np.random.default_rng(0).normal(0.3, 1, IMAGES)
    expected = scipy.stats.ttest_1samp(of_images, 0.0)
    found = crossed_mean(np.repeat(of_images[None], SEEDS, axis=0))
    assert found.p == pytest.approx(expected.pvalue)


def test_it_is_wider_than_over_images_alone_when_seeds_differ() -> None:
    table = tables(between_seeds=1.0, between_images=0.0)[0]
    naive = mean_interval(table.ravel().tolist())
    assert width(table) > 3 * (naive.high - naive.low)  # type: ignore[union-attr,operator]


def test_values_that_do_not_vary_decide_by_themselves() -> None:
    same, zero = crossed_mean(np.full((SEEDS, IMAGES), 0.2)), crossed_mean(np.zeros((SEEDS, IMAGES)))
    assert (same.p, zero.p) == (0.0, 1.0)
    assert width(np.zeros((SEEDS, IMAGES))) == 0


@pytest.mark.parametrize("shape", [(1, IMAGES), (SEEDS, 4)])
def test_one_seed_or_few_images_give_no_interval(shape: tuple[int, int]) -> None:
    found = crossed_mean(np.ones(shape))
    assert (found.interval.low, found.p) == (None, 1.0)
