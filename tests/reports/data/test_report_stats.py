"""Statistics against closed forms, published values and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.data.stats import mean_interval, percentile, percentile_interval, relative_change, wilson

samples = st.lists(st.integers(0, 10**9), min_size=5, max_size=400)


def test_wilson_equals_the_published_example() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 gives 0.2553 to 0.3662
    found = wilson(81, 263)
    assert found is not None
    assert found.low == pytest.approx(0.2553, abs=5e-5)
    assert found.high == pytest.approx(0.3662, abs=5e-5)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_estimate_and_stays_a_share(case: tuple[int, int]) -> None:
    found = wilson(*case)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


def test_a_share_of_nothing_is_unknown() -> None:
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("percent", "enough"), [(50, 5), (90, 29), (99, 299)])
def test_percentiles_are_blank_until_the_sample_supports_them(percent: int, enough: int) -> None:
    assert percentile(range(enough - 1), percent) is None
    assert percentile(range(enough), percent) is not None


def test_percentile_is_nearest_rank() -> None:
    assert percentile([10, 20, 30, 40, 50], 50) == 30
    assert percentile(list(range(1, 301)), 90) == 270
    assert percentile(list(range(1, 301)), 99) == 297


@given(samples)
def test_a_percentile_is_a_sample_inside_its_interval(values: list[int]) -> None:
    middle, (low, high) = percentile(values, 50), percentile_interval(values, 50)
    assert middle in values
    assert low is None or low <= middle  # type: ignore[operator]
    assert high is None or high >= middle  # type: ignore[operator]


@pytest.mark.parametrize("percent", [50, 90])
def test_percentile_intervals_cover_the_true_percentile_in_95_of_100_samples(percent: int) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = percentile_interval(list(rng.integers(0, 10**6, 60)), percent)
        covered += (low is None or low <= percent * 10**4) and (high is None or high >= percent * 10**4)
    assert 0.93 <= covered / 400 <= 1.0


def test_the_p99_of_299_samples_has_no_upper_bound() -> None:
    assert percentile_interval(range(299), 99)[1] is None


def test_a_mean_of_few_images_has_no_interval() -> None:
    found = mean_interval([0.2, 0.4])
    assert found is not None
    assert (found.value, found.low, found.high) == (pytest.approx(0.3), None, None)


def test_a_relative_change_needs_three_rounds_for_an_interval() -> None:
    found = relative_change([100.0, 101.0], [100.0, 101.0])
    assert found is not None
    assert (found.value, found.low) == (pytest.approx(0.0), None)


def test_the_interval_of_a_relative_change_equals_scipys_welch_test() -> None:
    from scipy.stats import ttest_ind

    before, after = [100.0, 103.0, 99.0, 101.0], [110.0, 108.0, 113.0]
    found, expected = relative_change(before, after), ttest_ind(np.log(after), np.log(before), equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(np.expm1(interval.low)), pytest.approx(np.expm1(interval.high)))


def test_unvarying_rounds_have_an_exact_change() -> None:
    found = relative_change([100.0] * 3, [110.0] * 3)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))
