"""Means over seeds and images at once: is a difference one of designs, or of the few networks that were trained?

Every network is asked the same images, so chance has two sources that cross: which seeds were trained, and which images
were drawn. An interval over images alone speaks of those very networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from reports.data.stats import CONFIDENCE, MIN_VALUES, Interval

MIN_SEEDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its standard error; NaN where the sample gives none.

    error_of_seeds  what of the error comes from the seeds, and no number of images makes smaller.
    degrees         of freedom that go with the error.
    """

    value: float
    error: float = math.nan
    error_of_seeds: float = math.nan
    degrees: float = math.nan

    @property
    def interval(self) -> Interval:
        """With 95 % confidence."""
        if math.isnan(self.error):
            return Interval(value=self.value, low=None, high=None)
        margin = self.error * float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, self.degrees)) if self.error else 0.0
        return Interval(value=self.value, low=self.value - margin, high=self.value + margin)

    @property
    def p(self) -> float:
        """The two-sided p-value of "the true mean is 0"; 1 without an error."""
        return min(1.0, 2 * min(self.beyond(0.0, above=above) for above in (True, False)))

    def beyond(self, limit: float, *, above: bool) -> float:
        """The one-sided p-value of "the true mean is not above (or not below) the limit"; 1 without an error."""
        distance = self.value - limit if above else limit - self.value
        if math.isnan(self.error):
            return 1.0
        if self.error == 0:  # values that do not vary decide by themselves
            return 0.0 if distance > 0 else 1.0
        return float(scipy.stats.t.sf(distance / self.error, self.degrees))


def crossed_mean(table: NDArray[np.float64]) -> Estimate:
    """The mean of a table, for other seeds and other images of the same kinds.

    table  (seeds, images): the images are the same for each seed. With fewer than MIN_SEEDS or MIN_VALUES of them there
           is no error.

    The squared standard error is that of the seeds' means plus that of the images' means, so that what varies from cell
    to cell counts twice. Its quantile is Student's, with Satterthwaite's degrees of freedom: about 2 where three seeds
    differ more than images make one believe. Drawing three seeds over and over, as a bootstrap does, cannot show that:
    there are no others among them, and its intervals are too narrow. Of three seeds, 92 to 97 % of these hold the truth
    in simulations, by how much seeds differ.
    Sources: Owen 2007, doi:10.1214/07-AOAS122, for the two sources; Satterthwaite 1946, doi:10.2307/3002019.
    """
    seeds, images = table.shape
    value = float(table.mean())
    if seeds < MIN_SEEDS or images < MIN_VALUES:
        return Estimate(value=value)
    of_seeds, of_images = (float(np.var(table.mean(axis=1 - axis), ddof=1)) / table.shape[axis] for axis in (0, 1))
    error = math.sqrt(of_seeds + of_images)
    degrees = _degrees([(of_seeds, seeds - 1), (of_images, images - 1)])
    return Estimate(value=value, error=error, error_of_seeds=math.sqrt(of_seeds), degrees=degrees)


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, which weigh the same."""
    count = len(estimates)
    variances = [(each.error / count) ** 2 for each in estimates]
    return Estimate(
        value=float(np.mean([each.value for each in estimates])),
        error=math.sqrt(sum(variances)),
        error_of_seeds=math.hypot(*(each.error_of_seeds for each in estimates)) / count,
        degrees=_degrees(list(zip(variances, (each.degrees for each in estimates)))),
    )


def _degrees(parts: Sequence[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each with its own; infinite for none that varies."""
    spread = sum(variance**2 / degrees for variance, degrees in parts)
    return sum(variance for variance, _ in parts) ** 2 / spread if spread else math.inf
