"""Statistics against definitions, closed forms, published values, scipy as a peer, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.data.stats import (
    SMALLEST_SAMPLE,
    Interval,
    difference,
    mean_interval,
    median_interval,
    percentile,
    percentile_interval,
    relative_change,
    table_interval,
    wilson,
)

supported = st.sampled_from(sorted(SMALLEST_SAMPLE.items())).flatmap(
    lambda rule: st.tuples(st.just(rule[0]), st.integers(rule[1], 700))
)  # (percent, a number of samples that supports it)
NORMAL_QUANTILE = 1.959963984540054  # of 97.5 %


def bounds(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


# ------------------------------------------------------------------------------------------------------- fractions
def test_wilson_equals_the_published_example() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 gives 0.2553 to 0.3662
    assert bounds(wilson(81, 263)) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@given(st.integers(2, 2000).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n))))
def test_wilson_bounds_are_the_fractions_that_a_score_test_just_accepts(case: tuple[int, int]) -> None:
    hits, trials = case
    for bound in bounds(wilson(hits, trials)):
        score = abs(hits / trials - bound) / math.sqrt(bound * (1 - bound) / trials)
        assert score == pytest.approx(NORMAL_QUANTILE, rel=1e-9)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_estimate_and_stays_a_fraction(case: tuple[int, int]) -> None:
    interval = wilson(*case)
    low, high = bounds(interval)
    assert interval is not None
    assert 0.0 <= low <= interval.value <= high <= 1.0


def test_no_hits_and_all_hits_are_exact_at_their_end() -> None:
    assert bounds(wilson(0, 50))[0] == 0.0
    assert bounds(wilson(50, 50))[1] == 1.0


def test_a_fraction_of_nothing_is_unknown() -> None:
    assert wilson(0, 0) is None


# ----------------------------------------------------------------------------------------------------- percentiles
@pytest.mark.parametrize(("percent", "enough"), [(50, 5), (90, 29), (99, 299)])
def test_percentiles_are_blank_until_the_sample_supports_them(percent: int, enough: int) -> None:
    assert 1 - (percent / 100) ** enough >= 0.95 > 1 - (percent / 100) ** (enough - 1)
    assert percentile(range(enough - 1), percent) is None
    assert percentile_interval(range(enough - 1), percent) == (None, None)
    assert percentile(range(enough), percent) is not None


@given(supported, st.randoms(use_true_random=False))
def test_percentile_is_nearest_rank(case: tuple[int, int], random: object) -> None:
    percent, n = case
    ranked = list(range(1, n + 1))
    random.shuffle(ranked)  # type: ignore[attr-defined]
    # the smallest sample that at least so many percent do not exceed, in whole numbers
    assert percentile(ranked, percent) == -(-percent * n // 100)


@given(supported, st.sampled_from([3, 1000, 10**9]), st.integers(0, 2**32))
def test_a_percentile_is_a_sample_inside_its_interval(case: tuple[int, int], largest: int, seed: int) -> None:
    """Among latencies equal ones are common."""
    percent, n = case
    values = np.random.default_rng(seed).integers(1, largest, n).tolist()
    value, (low, high) = percentile(values, percent), percentile_interval(values, percent)
    assert value in values
    assert sum(sample <= value for sample in values) >= percent / 100 * n
    assert low is None or low <= value
    assert high is None or high >= value


@given(supported)
def test_percentile_intervals_hold_the_central_95_percent_of_the_binomial(case: tuple[int, int]) -> None:
    """Of n samples, k lie below the true percentile with probability C(n, k) q^k (1 - q)^(n - k): exact, any shape."""
    percent, n = case
    q = percent / 100
    low, high = percentile_interval(range(1, n + 1), percent)  # the samples are their own ranks

    def below(rank: int) -> float:
        """Probability that fewer than `rank` samples lie below the percentile."""
        return math.fsum(math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(rank))

    assert below(low or 0) <= 0.025 < below((low or 0) + 1)
    if high is None:
        assert below(n) < 0.975
    else:
        assert below(high - 1) < 0.975 <= below(high)


@given(supported, st.integers(0, 2**32))
def test_percentile_intervals_equal_scipys_quantile_test(case: tuple[int, int], seed: int) -> None:
    from scipy.stats import quantile_test

    percent, n = case
    values = np.random.default_rng(seed).integers(0, 10**9, n)
    peer = quantile_test(values, p=percent / 100).confidence_interval(0.95)
    assert percentile_interval(values.tolist(), percent) == tuple(None if math.isnan(b) else b for b in peer)


@pytest.mark.parametrize("percent", [50, 90])
def test_percentile_intervals_cover_the_true_percentile_in_95_of_100_samples(percent: int) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = percentile_interval(list(rng.integers(0, 10**6, 60)), percent)
        covered += (low is None or low <= percent * 10**4) and (high is None or high >= percent * 10**4)
    assert 0.93 <= covered / 400 <= 1.0


def test_the_interval_holds_the_true_median_as_often_as_it_promises() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        low, high = percentile_interval(rng.exponential(1e6, 60).astype(int).tolist(), 50)
        assert low is not None
        assert high is not None
        hits += low <= 1e6 * math.log(2) <= high
    assert 0.94 <= hits / 1000 <= 0.99


@pytest.mark.parametrize(
    ("percent", "samples", "has_low", "has_high"),
    [
        (50, 5, False, False), (50, 6, True, True),
        (90, 29, True, False), (90, 35, True, False), (90, 36, True, True),
        (99, 299, True, False), (99, 367, True, False), (99, 368, True, True),
    ],
)  # fmt: skip
def test_a_bound_that_would_lie_outside_the_sample_is_blank(
    percent: int, samples: int, has_low: bool, has_high: bool
) -> None:
    low, high = percentile_interval(range(samples), percent)
    assert (low is not None, high is not None) == (has_low, has_high)


# ----------------------------------------------------------------------------------------------------------- means
def test_a_mean_of_few_images_has_no_interval() -> None:
    assert mean_interval([]) is None
    assert mean_interval([0.2, 0.4]) == Interval(value=pytest.approx(0.3), low=None, high=None)


def test_the_interval_of_a_mean_is_that_of_the_normal_limit() -> None:
    values = np.random.default_rng(1).exponential(size=2000)
    half = NORMAL_QUANTILE * values.std(ddof=1) / math.sqrt(len(values))
    expected = (values.mean() - half, values.mean() + half)
    assert bounds(mean_interval(values.tolist())) == pytest.approx(expected, abs=0.1 * half)


def test_the_interval_of_a_mean_is_the_same_every_time() -> None:
    values = [0.1, 0.5, 0.2, 0.9, 0.4, 0.3]
    assert mean_interval(values) == mean_interval(values)


@pytest.mark.filterwarnings("error")
def test_equal_scores_have_an_exact_mean() -> None:
    assert mean_interval([0.25] * 7) == Interval(value=0.25, low=0.25, high=0.25)


def test_the_interval_of_a_tables_statistic_is_that_of_its_rows() -> None:
    table = np.random.default_rng(2).normal(size=(50, 3))
    of_column = table_interval(lambda rows: float(rows[:, 1].mean()), table)
    of_rows = table_interval(lambda rows: float((rows[:, 1] + rows[:, 2]).mean()), table)
    assert bounds(of_column) == pytest.approx(bounds(mean_interval(table[:, 1].tolist())))
    assert bounds(of_rows) == pytest.approx(bounds(mean_interval((table[:, 1] + table[:, 2]).tolist())))


@pytest.mark.filterwarnings("error")
def test_a_statistic_that_is_undefined_has_an_undefined_interval() -> None:
    interval = table_interval(lambda rows: float("nan"), np.zeros((6, 2)))
    assert all(map(math.isnan, (interval.value, *bounds(interval))))


# --------------------------------------------------------------------------------------------------------- changes
def test_a_relative_change_needs_three_rounds_for_an_interval() -> None:
    assert relative_change([100.0], []) is None
    assert relative_change([100.0, 101.0], [100.0, 101.0]) == Interval(value=pytest.approx(0.0), low=None, high=None)


def test_the_interval_of_a_relative_change_is_welchs() -> None:
    # equal variances in equal numbers of rounds: 2 (3 - 1) = 4 degrees of freedom, whose t is 2.776445105
    spread, shift = 0.03, math.log(1.1)
    before, after = ([math.exp(centre + spread * k) for k in (-1, 0, 1)] for centre in (2.0, 2.0 + shift))
    half = 2.7764451051977987 * spread * math.sqrt(2 / 3)
    change = relative_change(before, after)
    assert change is not None
    assert change.value == pytest.approx(0.1)
    assert bounds(change) == pytest.approx((math.expm1(shift - half), math.expm1(shift + half)))


def test_a_side_that_does_not_vary_adds_no_spread() -> None:
    # 3 - 1 = 2 degrees of freedom, those of the side that varies; their t is 4.302652730
    after = [math.exp(0.02 * k) for k in (-1, 0, 1)]
    half = 4.302652729696142 * 0.02 / math.sqrt(3)
    assert bounds(relative_change([1.0] * 3, after)) == pytest.approx((math.expm1(-half), math.expm1(half)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rounds", [3, 4])
def test_unvarying_rounds_have_an_exact_change(rounds: int) -> None:
    assert bounds(relative_change([100.0] * 3, [110.0] * rounds)) == pytest.approx((0.1, 0.1))


# ----------------------------------------------------------------------------------------------- rounds and differences
def test_the_interval_of_a_median_covers_rounds_that_differ() -> None:
    """Three processes, each steady: by Student's t with two degrees of freedom, as worked out with 4.302653."""
    rounds = [[1000] * 20, [1050] * 20, [1100] * 20]
    logs = np.log([1000, 1050, 1100])
    reach = 4.302652729911275 * logs.std(ddof=1) / math.sqrt(3)
    assert median_interval(rounds) == (
        math.floor(math.exp(logs.mean() - reach)),
        math.ceil(math.exp(logs.mean() + reach)),
    )


def test_the_interval_of_a_median_is_never_narrower_than_that_of_order_statistics() -> None:
    alike = [list(range(1000 + i, 1200 + i)) for i in range(3)]
    pooled = percentile_interval([ns for each in alike for ns in each], 50)
    low, high = median_interval(alike)
    assert low is not None
    assert high is not None
    assert pooled[0] is not None
    assert pooled[1] is not None
    assert low <= pooled[0] < pooled[1] <= high
    assert median_interval(alike[:1]) == percentile_interval(alike[0], 50)


def test_two_rounds_have_both_medians_in_their_interval() -> None:
    low, high = median_interval([[1000] * 30, [1200] * 30])
    assert (low, high) == (1000, 1200)


def test_a_sample_too_small_for_an_interval_has_none_by_its_rounds_either() -> None:
    assert median_interval([[1], [2], [3]]) == (None, None)


def test_the_difference_of_fractions_equals_the_published_example() -> None:
    # Newcombe 1998 (interval estimation for the difference), table II, method 10: 56/70 - 48/80 gives 0.0524 to 0.3339
    one, other = wilson(56, 70), wilson(48, 80)
    assert one is not None
    assert other is not None
    assert bounds(difference(one, other)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_difference_without_an_interval_on_either_side_has_none() -> None:
    known, unknown = Interval(value=1.0, low=0.0, high=2.0), Interval(value=1.0, low=None, high=None)
    assert difference(known, unknown) == difference(unknown, known) == Interval(value=0.0, low=None, high=None)
