"""The few statistics that reports state: intervals of shares, percentiles and means. Raw samples in, numbers out.

A number that the sample cannot support is None, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Z = 1.959963984540054  # the normal quantile of 95 %, two sides
SMALLEST_SAMPLE = {50: 5, 90: 29, 99: 299}  # 1 - q**n >= 95 %: the maximum then lies above the percentile
BOOTSTRAP_DRAWS = 1000
MIN_ROUNDS = 3  # two numbers say nothing about their own spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval; the bounds are None where the sample gives none."""

    value: float
    low: float | None
    high: float | None


def wilson(hits: int, trials: int) -> Interval | None:
    """The share hits/trials with its Wilson score interval. Source: Wilson 1927, doi:10.2307/2276774."""
    if trials == 0:
        return None
    share, z2 = hits / trials, Z * Z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    # at 0 and all hits the bounds are exactly 0 and 1; rounding must not push them past the estimate
    return Interval(value=share, low=max(0.0, min(share, centre - half)), high=min(1.0, max(share, centre + half)))


def percentile(samples: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile: the smallest sample that at least `percent` % do not exceed.

    None below 5, 29 and 299 samples for the 50th, 90th and 99th.
    """
    if len(samples) < SMALLEST_SAMPLE[percent]:
        return None
    return sorted(samples)[math.ceil(percent / 100 * len(samples)) - 1]


def percentile_interval(samples: Sequence[int], percent: int) -> tuple[int | None, int | None]:
    """The 95 % interval of a percentile from order statistics, with no assumption about the distribution's shape.

    The number of samples below the true percentile is binomial(n, q): the bounds are the samples whose ranks hold its
    central 95 %. A bound that would need a rank outside the sample is None. It describes the spread within one
    measurement; differences between days and processes are what repeats are for.
    """
    n = len(samples)
    if n < SMALLEST_SAMPLE[percent]:
        return None, None
    below = np.cumsum(_binomial(n, percent / 100))
    low_rank = int(np.searchsorted(below, (1 - CONFIDENCE) / 2))  # P(below < low_rank) <= 2.5 %
    high_rank = int(np.searchsorted(below, 1 - (1 - CONFIDENCE) / 2)) + 1
    ordered = sorted(samples)
    return (
        ordered[low_rank - 1] if low_rank >= 1 else None,
        ordered[high_rank - 1] if high_rank <= n else None,
    )


def mean_interval(values: Sequence[float]) -> Interval | None:
    """The mean over images with a percentile bootstrap interval (1000 draws, fixed seed); none below 5 values."""
    data = np.asarray(values, np.float64)
    if data.size == 0:
        return None
    if data.size < 5:
        return Interval(value=float(data.mean()), low=None, high=None)
    low, high = np.quantile(_resampled_means(data), [(1 - CONFIDENCE) / 2, 1 - (1 - CONFIDENCE) / 2])
    return Interval(value=float(data.mean()), low=float(low), high=float(high))


def relative_change(before: Sequence[float], after: Sequence[float]) -> Interval | None:
    """Geometric mean of `after` over that of `before`, minus one, with Welch's 95 % interval of the logarithms.

    before, after  one number per round: rounds are fresh processes and independent, single runs of one are not.
    With fewer than MIN_ROUNDS on a side there is no interval. It covers repeats within the runs, not other days.
    Source: Welch 1947, doi:10.2307/2332510.
    """
    if not before or not after:
        return None
    logs = [np.log(np.asarray(values, np.float64)) for values in (before, after)]
    shift = float(logs[1].mean() - logs[0].mean())
    if min(len(before), len(after)) < MIN_ROUNDS:
        return Interval(value=math.expm1(shift), low=None, high=None)
    half = _welch_half_width(*logs)
    return Interval(value=math.expm1(shift), low=math.expm1(shift - half), high=math.expm1(shift + half))


def _welch_half_width(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    from scipy.stats import t  # half a second that only comparisons need

    shares = [values.var(ddof=1) / len(values) for values in (first, second)]
    total = sum(shares)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(share**2 / (len(v) - 1) for share, v in zip(shares, (first, second)))
    return float(t.ppf(1 - (1 - CONFIDENCE) / 2, freedom) * math.sqrt(total))


def _resampled_means(data: NDArray[np.float64]) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)  # reports are pure functions of the store: the same numbers every time
    means: NDArray[np.float64] = data[rng.integers(0, data.size, (BOOTSTRAP_DRAWS, data.size))].mean(axis=1)
    return means


def _binomial(n: int, p: float) -> NDArray[np.float64]:
    """P(X = k) for k = 0 … n."""
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    mass: NDArray[np.float64] = np.exp(log_choose + k * math.log(p) + (n - k) * math.log1p(-p))
    return mass
