"""What a claim makes us expect of a number, what an interval says to that, and how surely."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from reports.data.stats import MIN_VALUES, Interval, mean_interval, table_interval

DRAWS = 9_999  # of p-values: they have to be told apart far below 5 %, since many claims are tested
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a number is computed from.

    table      (images, columns), at least one image.
    statistic  of the means of the columns (..., columns), giving (...); None is the mean of the only column.
    smooth     whether its interval shrinks with the root of the number of images; a choice among levels does not.
    """

    table: NDArray[np.float64]
    statistic: Statistic | None = None
    smooth: bool = True

    def interval(self) -> Interval | None:
        if self.statistic is None:
            return mean_interval(self.table[:, 0].tolist())
        statistic = self.statistic
        return table_interval(lambda table: float(statistic(table.mean(axis=0))), self.table)

    def beyond(self, limit: float, *, above: bool) -> float:
        """The p-value of the hypothesis that the truth is not above (or not below) a limit.

        Of a mean it is Student's; of another statistic it is the share of resampled ones that are not there.
        """
        if math.isinf(limit):
            return 0.0 if above == (limit < 0) else 1.0
        if self.statistic is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # values that hardly vary are an answer
                test = scipy.stats.ttest_1samp(self.table[:, 0], limit, alternative="greater" if above else "less")
            return float(test.pvalue)
        images = len(self.table)
        weights = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), size=DRAWS)
        drawn = self.statistic(weights @ self.table / images)
        return float(1 + np.sum(~(drawn > limit if above else drawn < limit))) / (1 + DRAWS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Where a number has to lie. `strict` leaves the limits themselves out."""

    text: str
    least: float = -math.inf
    most: float = math.inf
    strict: bool = True

    def verdict(self, interval: Interval) -> str:
        """What an interval says, if it lies wholly inside or wholly outside of what was expected."""
        low, high = interval.low, interval.high
        if low is None or high is None:
            return "unclear"
        if self.strict:
            inside, outside = self.least < low and high < self.most, high <= self.least or low >= self.most
        else:
            inside, outside = self.least <= low and high <= self.most, high < self.least or low > self.most
        return "supported" if inside else "not supported" if outside else "unclear"

    def p_value(self, evidence: Evidence, verdict: str) -> float:
        """How surely evidence says its verdict: the level up to which a two-sided interval would. 1 if it says none.

        Values that do not vary decide by themselves, with 0.
        """
        table = evidence.table
        if verdict not in ("supported", "not supported") or len(table) < MIN_VALUES:
            return 1.0
        if np.ptp(table, axis=0).max() == 0:
            return 0.0
        if verdict == "supported":
            both = evidence.beyond(self.least, above=True), evidence.beyond(self.most, above=False)
            return min(1.0, 2 * max(both))
        either = evidence.beyond(self.least, above=False), evidence.beyond(self.most, above=True)
        return min(1.0, 2 * min(either))


def above(limit: float) -> Expected:
    return Expected(text=f"above {limit:g}", least=limit)


def below(limit: float) -> Expected:
    return Expected(text=f"below {limit:g}", most=limit)


def between(least: float, most: float) -> Expected:
    return Expected(text=f"{least:.3g} to {most:.3g}", least=least, most=most, strict=False)
