"""The few statistics that reports state: intervals of fractions, percentiles and means. Raw samples in, numbers out.

A number that the sample cannot support is None, never a guess. The arithmetic is scipy's; what is decided here is the
confidence (95 %), which sample supports which number, and the seed of what is random.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy  # scipy.stats is imported when it is first used: it takes half a second
from numpy.typing import NDArray

CONFIDENCE = 0.95
SMALLEST_SAMPLE = {50: 5, 90: 29, 99: 299}  # 1 - q**n >= 95 %: the maximum then lies above the percentile
BOOTSTRAP_DRAWS = 1000
MIN_VALUES = 5  # resampling fewer says little about what was not drawn
MIN_ROUNDS = 3  # two numbers say nothing about their own spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval; the bounds are None where the sample gives none."""

    value: float
    low: float | None
    high: float | None


@cache  # one artifact has the same hits on most devices, and scipy tests a hypothesis on the way
def wilson(hits: int, trials: int) -> Interval | None:
    """The fraction hits/trials with its Wilson score interval. Source: Wilson 1927, doi:10.2307/2276774."""
    if trials == 0:
        return None
    bounds = scipy.stats.binomtest(hits, trials).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(value=hits / trials, low=float(bounds.low), high=float(bounds.high))


def percentile(samples: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile: the smallest sample that at least `percent` % do not exceed.

    samples  whole nanoseconds, and so is the percentile: it is one of them.
    percent  50, 90 or 99; None below 5, 29 and 299 samples, which cannot hold the percentile with 95 % confidence.
    """
    if len(samples) < SMALLEST_SAMPLE[percent]:
        return None
    return int(np.percentile(samples, percent, method="inverted_cdf"))


def percentile_interval(samples: Sequence[int], percent: int) -> tuple[int | None, int | None]:
    """The 95 % interval of a percentile from order statistics, with no assumption about the distribution's shape.

    The number of samples below the true percentile is binomial(n, q): the bounds are the samples whose ranks hold its
    central 95 %. A bound that would need a rank outside the sample is None: the p50 of 5 samples has neither bound, and
    the p90 of fewer than 36 and the p99 of fewer than 368 have no upper one. The interval describes the spread within
    one measurement; differences between days and processes are what repeats are for.
    Source: Thompson 1936, doi:10.1214/aoms/1177732502.
    """
    n = len(samples)
    if n < SMALLEST_SAMPLE[percent]:
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = map(int, scipy.stats.binom.ppf([tail, 1 - tail], n, percent / 100))  # below; not above: so many samples
    ordered = sorted(samples)
    return (ordered[low - 1] if low > 0 else None), (ordered[high] if high < n else None)


def median_interval(rounds: Sequence[Sequence[int]]) -> tuple[int | None, int | None]:
    """The 95 % interval of the median of pooled rounds: the wider of what one process and what several ones show.

    rounds  the samples of each fresh process, in ns. From MIN_ROUNDS on, Student's interval of the logarithms of their
            medians counts as well: a process often repeats itself within 0.1 %, and the next differs by 5 %. Of two,
            both medians lie in the interval.
    """
    low, high = percentile_interval([ns for samples in rounds for ns in samples], 50)
    if low is None or high is None:
        return low, high
    medians = [float(np.median(samples)) for samples in rounds if samples]
    between = _between(medians) if len(medians) >= MIN_ROUNDS else (min(medians), max(medians))
    return min(low, math.floor(between[0])), max(high, math.ceil(between[1]))


def _between(medians: Sequence[float]) -> tuple[float, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "nearly identical": rounds that do not vary are an answer
        bounds = scipy.stats.ttest_1samp(np.log(medians), 0.0).confidence_interval(CONFIDENCE)
    return math.exp(bounds.low), math.exp(bounds.high)


def difference(one: Interval, other: Interval) -> Interval:
    """`one` minus `other`, two independent estimates, with the interval that follows from theirs; none without both.

    Where both come from the same images it is wider than it had to be.
    Sources: Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10; Zou and
    Donner 2008, doi:10.1002/sim.3095.
    """
    value = one.value - other.value
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return Interval(value=value, low=None, high=None)
    return Interval(
        value=value,
        low=value - math.hypot(one.value - one.low, other.high - other.value),
        high=value + math.hypot(one.high - one.value, other.value - other.low),
    )


def mean_interval(values: Sequence[float]) -> Interval | None:
    """The mean over images with a percentile bootstrap interval (1000 draws, fixed seed); none below 5 values."""
    data = np.asarray(values, np.float64)
    if data.size == 0:
        return None
    mean = float(data.mean())
    if data.size < MIN_VALUES:
        return Interval(value=mean, low=None, high=None)
    low, high = _bootstrap(data, np.mean)
    return Interval(value=mean, low=low, high=high)


def table_interval(statistic: Callable[[NDArray[np.float64]], float], table: NDArray[np.float64]) -> Interval:
    """A statistic of a table (images, columns) with the same bootstrap interval: whole rows are drawn."""
    low, high = _bootstrap(np.arange(len(table)), lambda rows: statistic(table[rows]))
    return Interval(value=statistic(table), low=low, high=high)


def _bootstrap(data: NDArray[Any], statistic: Callable[..., Any]) -> tuple[float, float]:
    rng = np.random.default_rng(0)  # reports are pure functions of the store: the same numbers every time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)  # a statistic may be NaN; so is its interval
        bounds = scipy.stats.bootstrap(
            (data,), statistic, n_resamples=BOOTSTRAP_DRAWS, confidence_level=CONFIDENCE, method="percentile", rng=rng
        ).confidence_interval
    return float(bounds.low), float(bounds.high)


def relative_change(before: Sequence[float], after: Sequence[float]) -> Interval | None:
    """Geometric mean of `after` over that of `before`, minus one, with Welch's 95 % interval of the logarithms.

    before, after  one number per round: rounds are fresh processes and independent, single runs of one are not.
    With fewer than MIN_ROUNDS on a side there is no interval. It covers repeats within the runs, not other days.
    Source: Welch 1947, doi:10.2307/2332510.
    """
    if not before or not after:
        return None
    old, new = np.log(before), np.log(after)
    value = math.expm1(new.mean() - old.mean())
    if min(len(before), len(after)) < MIN_ROUNDS:
        return Interval(value=value, low=None, high=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "nearly identical": rounds that do not vary are an answer
        bounds = scipy.stats.ttest_ind(new, old, equal_var=False).confidence_interval(CONFIDENCE)
    return Interval(value=value, low=math.expm1(bounds.low), high=math.expm1(bounds.high))
