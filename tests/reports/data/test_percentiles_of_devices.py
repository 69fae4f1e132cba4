"""Percentiles of latencies, among which equal ones are common: earned by enough samples, and always one of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.data.stats import SMALLEST_SAMPLE, percentile, percentile_interval


@pytest.mark.parametrize(("percent", "needed"), SMALLEST_SAMPLE.items())
def test_the_largest_of_enough_samples_lies_above_the_percentile_with_95_percent(percent: int, needed: int) -> None:
    assert 1 - (percent / 100) ** needed >= 0.95 > 1 - (percent / 100) ** (needed - 1)


@given(st.integers(299, 400), st.sampled_from([3, 1000, 10**9]), st.integers(0, 99), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_a_sample_that_enough_others_do_not_exceed(
    count: int, highest: int, seed: int, percent: int
) -> None:
    samples = np.random.default_rng(seed).integers(1, highest, count).tolist()
    value, (low, high) = percentile(samples, percent), percentile_interval(samples, percent)
    assert value in samples
    assert sum(sample <= value for sample in samples) >= math.ceil(percent / 100 * len(samples))
    assert low is None or low <= value
    assert high is None or high >= value


def test_the_interval_holds_the_true_median_as_often_as_it_promises() -> None:
    random, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        low, high = percentile_interval(random.exponential(1e6, 60).astype(int).tolist(), 50)
        assert low is not None
        assert high is not None
        hits += low <= 1e6 * math.log(2) <= high
    assert 0.94 <= hits / 1000 <= 0.99
