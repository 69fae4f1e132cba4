"""What a number is computed from: values of images, of one training run or of several, on one task or on several."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from reports.data.crossed import Estimate, average, crossed_mean
from reports.data.power import images_needed
from reports.data.stats import CONFIDENCE, MIN_VALUES, Interval, mean_interval, table_interval

STEP = 1e-4  # of a mean, by which the slope of a statistic is measured: rounding and curvature are both far below it
DRAWS = 9_999  # of p-values: they have to be told apart far below 5 %, since many claims are tested
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The values of one task.

    table      (images, seeds, columns), at least one image. Of one seed an interval is over images, and speaks of that
               very training run; of several it is over both, see `reports.data.crossed`.
    statistic  of the means of the columns (..., columns), giving (...); None is the mean of the only column.
    smooth     whether its interval shrinks with the root of the number of images; a choice among levels does not.
    """

    table: NDArray[np.float64]
    statistic: Statistic | None = None
    smooth: bool = True

    @property
    def images(self) -> int:
        return self.table.shape[0]

    @property
    def fewest_images(self) -> int:
        return self.images

    @property
    def seeds(self) -> int:
        return self.table.shape[1]

    @property
    def varies(self) -> bool:
        return bool(np.ptp(self.table, axis=(0, 1)).max() > 0)

    @property
    def means(self) -> NDArray[np.float64]:
        """(columns,)"""
        return np.asarray(self.table.mean(axis=(0, 1)))

    @property
    def value(self) -> float:
        """NaN where the statistic is not defined."""
        return float(self.means[0] if self.statistic is None else self.statistic(self.means))

    def interval(self) -> Interval | None:
        if self.statistic is not None and self.fewest_images < MIN_VALUES:
            return Interval(value=self.value, low=None, high=None)
        if self.seeds > 1:
            return self.estimate().interval if self.smooth else _chosen(self.value, self.statistic, self.draws())
        table = self.table[:, 0]
        if self.statistic is None:
            return mean_interval(table[:, 0].tolist())
        statistic = self.statistic
        return table_interval(lambda table: float(statistic(table.mean(axis=0))), table)

    def beyond(self, limit: float, *, above: bool, inclusive: bool) -> float:
        """The p-value of the hypothesis that the truth is not above (or not below) a limit.

        inclusive  whether the limit itself is beyond, too, which a choice among levels may be.

        Of a mean, and of whatever is smooth over several seeds, it is Student's; else the share of resampled ones that
        are not there.
        """
        if self.seeds > 1 and self.smooth:
            return self.estimate().beyond(limit, above=above)
        if self.statistic is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # values that hardly vary are an answer
                test = scipy.stats.ttest_1samp(self.table[:, 0, 0], limit, alternative="greater" if above else "less")
            return float(test.pvalue)
        return _share_not_beyond(self.statistic(self.draws()), limit, above=above, inclusive=inclusive)

    def needed(self, *, least: float, most: float, confidence: float) -> int | None:
        """How many images would settle it, see `images_needed`; None also where only more seeds could."""
        if not self.smooth:
            return None
        if self.seeds > 1:
            return self.estimate().images_needed(least=least, most=most, confidence=confidence)
        interval = self.interval()
        assert interval is not None  # evidence has at least one image
        return images_needed(interval, self.images, least=least, most=most, confidence=confidence)

    def estimate(self) -> Estimate:
        """Over seeds and images. Of a statistic that is no mean: of what each value changes it by, to first order."""
        if self.statistic is None:
            return crossed_mean(self.table[..., 0].T)
        steps = STEP * np.maximum(np.abs(self.means), STEP) * np.eye(len(self.means))
        rise = self.statistic(self.means + steps) - self.statistic(self.means - steps)
        slopes = rise / (2 * steps.sum(axis=1))
        return crossed_mean((self.statistic(self.means) + (self.table - self.means) @ slopes).T)

    def draws(self, stream: int = 0) -> NDArray[np.float64]:
        """(DRAWS, columns) means of tables whose images and seeds are drawn with replacement, independently."""
        images, seeds, columns = self.table.shape
        rng = np.random.default_rng(stream)
        of_images = rng.multinomial(images, np.full(images, 1 / images), size=DRAWS) / images
        of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds
        means = (of_images @ self.table.reshape(images, -1)).reshape(DRAWS, seeds, columns)
        return np.asarray(np.einsum("ds,dsc->dc", of_seeds, means))


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """The same number on several tasks, each with several seeds: the mean over the tasks, which weigh the same.

    The tasks are these very ones, while seeds and images stand for others. A choice among levels is that of the mean
    scores.
    """

    parts: Sequence[Evidence]

    @property
    def images(self) -> int:
        return sum(part.images for part in self.parts)

    @property
    def fewest_images(self) -> int:
        return min(part.images for part in self.parts)

    @property
    def seeds(self) -> int:
        return sum(part.seeds for part in self.parts)

    @property
    def varies(self) -> bool:
        return any(part.varies for part in self.parts)

    @property
    def smooth(self) -> bool:
        return all(part.smooth for part in self.parts)

    @property
    def value(self) -> float:
        if self.smooth:
            return self._estimate().value
        statistic = self.parts[0].statistic
        assert statistic is not None
        return float(statistic(np.mean([part.means for part in self.parts], axis=0)))

    def interval(self) -> Interval:
        if self.smooth:
            return self._estimate().interval
        if self.fewest_images < MIN_VALUES:
            return Interval(value=self.value, low=None, high=None)
        return _chosen(self.value, self.parts[0].statistic, self._draws())

    def beyond(self, limit: float, *, above: bool, inclusive: bool) -> float:
        """As `Evidence.beyond`."""
        if self.smooth:
            return self._estimate().beyond(limit, above=above)
        statistic = self.parts[0].statistic
        assert statistic is not None
        return _share_not_beyond(statistic(self._draws()), limit, above=above, inclusive=inclusive)

    def needed(self, *, least: float, most: float, confidence: float) -> int | None:
        """How many images of each task would settle it."""
        return self._estimate().images_needed(least=least, most=most, confidence=confidence) if self.smooth else None

    def _estimate(self) -> Estimate:
        return average([part.estimate() for part in self.parts])

    def _draws(self) -> NDArray[np.float64]:
        return np.asarray(np.mean([part.draws(stream) for stream, part in enumerate(self.parts)], axis=0))


def _chosen(value: float, statistic: Statistic | None, drawn: NDArray[np.float64]) -> Interval:
    """A choice among levels, with the central 95 % of those that were drawn."""
    assert statistic is not None
    low, high = np.nanquantile(statistic(drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=value, low=float(low), high=float(high))


def _share_not_beyond(drawn: NDArray[np.float64], limit: float, *, above: bool, inclusive: bool) -> float:
    """The share of drawn statistics that are not above (or not below) a limit, never quite 0."""
    there = (drawn > limit if above else drawn < limit) | ((drawn == limit) & inclusive)
    return float(1 + np.sum(~there)) / (1 + len(drawn))
