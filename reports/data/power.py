"""How many images a verdict needs, and what is left of verdicts when many claims are tested.

An interval's half width is a number of standard errors, and a standard error shrinks with the root of the number of
images. So the present interval says how likely an interval over more images would be to lie where it settles the
question, were the truth the present value. Where values over images are means, or smooth in means, that holds for any
distribution, by the central limit theorem.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import scipy

from reports.data.stats import CONFIDENCE, MIN_VALUES, Interval

POWER = 0.80
ROUNDING = 1e-5  # float32 scores of two kernels differ by less, because they add in different orders (docs/devices.md)
MOST_IMAGES = 10**7  # more than any data set here has: the value lies too close to a limit


def images_needed(
    interval: Interval,
    images: int,
    *,
    least: float,
    most: float,
    confidence: float = CONFIDENCE,
    power: float = POWER,
) -> int | None:
    """The fewest images of which an interval lies wholly between `least` and `most`, or wholly beyond, that often.

    interval    of `images` images, with 95 % confidence: the present value, and its spread.
    least, most the limits of what is expected; one of them may be infinite.
    confidence  of the interval that is to settle the question.
    None        where the value does not vary, or lies on a limit.
    """
    if interval.low is None or interval.high is None or not interval.high > interval.low:
        return None  # NaN, too
    spread = math.sqrt(images) * (interval.high - interval.low) / (2 * _normal_quantile(CONFIDENCE))

    def enough(count: int) -> float:
        error = spread / math.sqrt(count)
        return settles(interval.value, error, least=least, most=most, confidence=confidence)

    candidates = range(MIN_VALUES, MOST_IMAGES)
    found = bisect_left(candidates, power, key=enough)
    return candidates[found] if found < len(candidates) else None


def images_for_gap(
    differences: Sequence[float], gap: float, *, confidence: float = CONFIDENCE, power: float = POWER
) -> int | None:
    """The fewest images of which the interval of a paired difference excludes zero that often, were it truly `gap`.

    differences  one per image, in the unit of `gap`: their spread is that of the present images.
    gap          the true mean difference, above zero.
    Returns      ((z + z') * standard deviation / gap)², where z is the normal quantile of a two-sided interval of that
                 confidence and z' that of the power; at least the MIN_VALUES that have an interval. None where the
                 differences vary by no more than rounding, or are too few to say how much they do.
    Source       Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, chapter 2.
    """
    if len(differences) < MIN_VALUES or max(differences) - min(differences) < ROUNDING:
        return None
    errors = _normal_quantile(confidence) + float(scipy.stats.norm.ppf(power))  # that the gap must lie above zero
    return max(MIN_VALUES, math.ceil((errors * float(np.std(differences, ddof=1)) / gap) ** 2))


def settles(truth: float, error: float, *, least: float, most: float, confidence: float = CONFIDENCE) -> float:
    """The probability that an interval lies on the side of the limits that the truth is on.

    error  the standard error of the estimate, which is normal around the truth.
    """
    margin = _normal_quantile(confidence)
    to_least, to_most = (truth - least) / error, (most - truth) / error
    if to_least >= 0 and to_most >= 0:
        return float(max(0.0, scipy.stats.norm.cdf(to_most - margin) - scipy.stats.norm.sf(to_least - margin)))
    return float(scipy.stats.norm.cdf(max(-to_least, -to_most) - margin))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values that hold for all tests together: the chance of any false finding is at most the level that is set.

    Source: Holm 1979, https://www.jstor.org/stable/4615733.
    """
    p, count = np.asarray(p_values, np.float64), len(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * (count - np.arange(count))))
    return [float(each) for each in adjusted]


def _normal_quantile(confidence: float) -> float:
    """How many standard errors a normal interval of this confidence reaches to each side."""
    return float(scipy.stats.norm.ppf((1 + confidence) / 2))
