"""Percentiles: earned by enough samples, nearest rank, with intervals that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.devices.statistics import NEEDED_SAMPLES, percentile


@pytest.mark.parametrize(("percent", "needed"), NEEDED_SAMPLES.items())
def test_a_percentile_is_blank_below_the_samples_that_support_it(percent: int, needed: int) -> None:
    assert percentile(range(needed - 1), percent) is None
    assert percentile(range(needed), percent) is not None
    assert 1 - (percent / 100) ** needed >= 0.95 > 1 - (percent / 100) ** (needed - 1)


def test_the_nearest_rank_is_taken_and_nothing_between() -> None:
    found = percentile([50, 10, 40, 20, 30], 50)
    assert found is not None
    assert (found.value, found.low, found.high) == (30, 10, 50)


@given(st.integers(299, 400), st.sampled_from([3, 1000, 10**9]), st.integers(0, 99), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_a_sample_inside_its_interval(count: int, highest: int, seed: int, percent: int) -> None:
    samples = np.random.default_rng(seed).integers(1, highest, count).tolist()
    found = percentile(samples, percent)
    assert found is not None
    assert found.value in samples
    assert found.low <= found.value <= found.high
    assert sum(sample <= found.value for sample in samples) >= math.ceil(percent / 100 * len(samples))


def test_the_interval_holds_the_true_median_as_often_as_it_promises() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        found = percentile((random.exponential(1e6, 60)).astype(int).tolist(), 50)
        assert found is not None
        hits += found.low <= 1e6 * math.log(2) <= found.high
    assert 0.94 <= hits / 1000 <= 0.99
