"""What a claim makes us expect of a number, what an interval says to that, and how surely."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from reports.data.crossed import CrossedMean, crossed_mean
from reports.data.power import images_needed, normal_interval
from reports.data.stats import CONFIDENCE, MIN_VALUES, Interval, mean_interval, table_interval

STEP = 1e-4  # of a mean, by which the slope of a statistic is measured: rounding and curvature are both far below it
DRAWS = 9_999  # of p-values: they have to be told apart far below 5 %, since many claims are tested
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a number is computed from.

    table      (images, seeds, columns), at least one image. Of one seed an interval is over images, and speaks of that
               very training run; of several it is over both, see `reports.data.crossed`.
    statistic  of the means of the columns (..., columns), giving (...); None is the mean of the only column.
    smooth     whether its interval shrinks with the root of the number of images; a choice among levels does not.
    """

    table: NDArray[np.float64]
    statistic: Statistic | None = None
    smooth: bool = True

    @property
    def seeds(self) -> int:
        return self.table.shape[1]

    def interval(self) -> Interval | None:
        if self.seeds > 1:
            return self._crossed().interval if self.smooth else self._interval_of_draws()
        table = self.table[:, 0]
        if self.statistic is None:
            return mean_interval(table[:, 0].tolist())
        statistic = self.statistic
        return table_interval(lambda table: float(statistic(table.mean(axis=0))), table)

    def beyond(self, limit: float, *, above: bool) -> float:
        """The p-value of the hypothesis that the truth is not above (or not below) a limit.

        Of a mean, and of whatever is smooth over several seeds, it is Student's; else the share of resampled ones that
        are not there.
        """
        if math.isinf(limit):
            return 0.0 if above == (limit < 0) else 1.0
        if self.seeds > 1 and self.smooth:
            return self._crossed().beyond(limit, above=above)
        if self.statistic is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # values that hardly vary are an answer
                test = scipy.stats.ttest_1samp(self.table[:, 0, 0], limit, alternative="greater" if above else "less")
            return float(test.pvalue)
        drawn = self._draws()
        return float(1 + np.sum(~(drawn > limit if above else drawn < limit))) / (1 + DRAWS)

    def needed(self, expected: Expected, *, confidence: float) -> int | None:
        """How many images would settle it, see `images_needed`; None also where only more seeds would."""
        interval = self.interval()
        if not self.smooth or interval is None:
            return None
        of_seeds = 0.0
        if self.seeds > 1:
            crossed = self._crossed()
            interval, of_seeds = normal_interval(crossed.interval.value, crossed.error), crossed.error_of_seeds
        limits = {"least": expected.least, "most": expected.most}
        return images_needed(interval, len(self.table), **limits, of_seeds=of_seeds, confidence=confidence)

    def _crossed(self) -> CrossedMean:
        """Of a statistic that is not a mean: the mean of what it changes by with each value, to first order."""
        if self.statistic is None:
            return crossed_mean(self.table[..., 0].T)
        means = self.table.mean(axis=(0, 1))
        steps = STEP * np.maximum(np.abs(means), STEP) * np.eye(len(means))
        slopes = (self.statistic(means + steps) - self.statistic(means - steps)) / (2 * steps.sum(axis=1))
        return crossed_mean((self.statistic(means) + (self.table - means) @ slopes).T)

    def _draws(self) -> NDArray[np.float64]:
        """The statistic of tables whose images and seeds are drawn with replacement, independently."""
        assert self.statistic is not None
        images, seeds, columns = self.table.shape
        rng = np.random.default_rng(0)
        of_images = rng.multinomial(images, np.full(images, 1 / images), size=DRAWS) / images
        of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds
        means = (of_images @ self.table.reshape(images, -1)).reshape(DRAWS, seeds, columns)
        return self.statistic(np.einsum("ds,dsc->dc", of_seeds, means))

    def _interval_of_draws(self) -> Interval:
        assert self.statistic is not None
        low, high = np.nanquantile(self._draws(), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return Interval(value=float(self.statistic(self.table.mean(axis=(0, 1)))), low=float(low), high=float(high))


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
        if np.ptp(table, axis=(0, 1)).max() == 0:
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
