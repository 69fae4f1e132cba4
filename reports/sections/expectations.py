"""What a claim makes us expect of a number, what an interval says to that, and how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports.data.stats import MIN_VALUES, Interval
from reports.sections.evidence import Evidence, Together


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

    def p_value(self, evidence: Evidence | Together, verdict: str) -> float:
        """How surely evidence says its verdict: the level up to which a two-sided interval would. 1 if it says none.

        Values that do not vary decide by themselves, with 0.
        """
        if verdict not in ("supported", "not supported") or evidence.fewest_images < MIN_VALUES:
            return 1.0
        if not evidence.varies:
            return 0.0
        if verdict == "supported":
            both = (self._beyond(evidence, limit, above=limit == self.least, inside=True) for limit in self._limits)
            return min(1.0, 2 * max(both))
        either = (self._beyond(evidence, limit, above=limit == self.most, inside=False) for limit in self._limits)
        return min(1.0, 2 * min(either))

    @property
    def _limits(self) -> list[float]:
        return [limit for limit in (self.least, self.most) if not math.isinf(limit)]

    def _beyond(self, evidence: Evidence | Together, limit: float, *, above: bool, inside: bool) -> float:
        """The limits themselves are inside if they are not strict, and outside if they are."""
        return evidence.beyond(limit, above=above, inclusive=inside != self.strict)


def above(limit: float) -> Expected:
    return Expected(text=f"above {limit:g}", least=limit)


def below(limit: float) -> Expected:
    return Expected(text=f"below {limit:g}", most=limit)


def between(least: float, most: float) -> Expected:
    return Expected(text=f"{least:.3g} to {most:.3g}", least=least, most=most, strict=False)
