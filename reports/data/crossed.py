"""Means over seeds and images at once: is a difference one of designs, or of the few networks that were trained?

Every network is asked the same images, so chance has two sources that cross: which seeds were trained, and which images
were drawn. An interval over images alone speaks of those very networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from reports.data.power import MOST_IMAGES, POWER
from reports.data.stats import CONFIDENCE, MIN_VALUES, Interval

MIN_SEEDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Variance:
    """A part of a squared standard error.

    images  over how many images it was taken, with whose number it shrinks; None of what varies from seed to seed.
    """

    of_mean: float
    degrees: float
    images: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean, and what its squared standard error is made of; nothing where the sample does not say how it varies."""

    value: float
    variances: tuple[Variance, ...] = ()

    @property
    def error(self) -> float:
        """The standard error; NaN if it is not known."""
        return math.sqrt(sum(part.of_mean for part in self.variances)) if self.variances else math.nan

    @property
    def degrees(self) -> float:
        """Satterthwaite's degrees of freedom; infinite where nothing varies."""
        spread = sum(part.of_mean**2 / part.degrees for part in self.variances)
        return self.error**4 / spread if spread else math.inf

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

    def images_needed(self, *, least: float, most: float, confidence: float, power: float = POWER) -> int | None:
        """About how many images for each seed an interval needs to lie wholly inside or outside of limits that often.

        Were the present value the truth, and the seeds as many as now. None where no number does: what varies from
        seed to seed stays, and the fewer images contribute, the fewer degrees of freedom the interval has.
        Source: the noncentral t distribution.
        """
        if not self.error > 0:
            return None
        now = max(part.images or 0 for part in self.variances)
        counts = np.unique(np.geomspace(MIN_VALUES, MOST_IMAGES, 700).round())
        variances, spreads = np.zeros_like(counts), np.zeros_like(counts)
        for part in self.variances:
            of_mean = part.of_mean * (now / counts if part.images else np.ones_like(counts))
            variances += of_mean
            spreads += of_mean**2 / (counts - 1 if part.images else part.degrees)
        error, degrees = np.sqrt(variances), variances**2 / spreads
        margin = scipy.stats.t.ppf((1 + confidence) / 2, degrees)

        def excludes(distance: float) -> NDArray[np.float64]:
            return np.asarray(np.nan_to_num(scipy.stats.nct.sf(margin, degrees, distance / error)))

        if least <= self.value <= most:
            settled = 1 - sum(1 - excludes(abs(self.value - limit)) for limit in (least, most) if math.isfinite(limit))
        else:
            settled = excludes(max(least - self.value, self.value - most))
        enough = np.flatnonzero(settled >= power)
        return int(counts[enough[0]]) if len(enough) else None


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
    variances = (
        Variance(of_mean=of_seeds, degrees=seeds - 1),
        Variance(of_mean=of_images, degrees=images - 1, images=images),
    )
    return Estimate(value=value, variances=variances)


def average(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, which weigh the same."""
    count, parts = len(estimates), [part for each in estimates for part in each.variances]
    known = all(each.variances for each in estimates)
    return Estimate(
        value=float(np.mean([each.value for each in estimates])),
        variances=tuple(replace(part, of_mean=part.of_mean / count**2) for part in parts) if known else (),
    )
