"""Which deployments are worth considering: those that no other dominates, and those that are too close to one to tell.

A deployment dominates another when its estimates are as good on every axis on which the other is known, and better on
one. That is transitive: for whatever is left out, the set holds a deployment that is as good in everything. A
dominated deployment is left out when one of those that dominate it is clearly better on an axis, or known on more axes;
else it stays, as a tie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.data.stats import Interval, difference

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What deployments are compared by.

    name      in words; `best` is the word for whoever leads.
    value     the column of the estimate; `low` and `high` are those of its interval.
    ratio     whether differences are ratios, as those of latencies are.
    margin    a clear ratio exceeds 1 by this much, because an interval knows nothing of tomorrow's temperature.
    """

    name: str
    best: str
    value: str
    low: str
    high: str
    higher_is_better: bool
    ratio: bool = False
    margin: float = 0.0

    def known(self, row: Row) -> bool:
        return row[self.value] is not None

    def lead(self, row: Row, other: Row) -> Interval:
        """How far `row` is ahead of `other`, with its interval: above 0 is better, of ratios the logarithm."""
        return difference(self._estimate(row), self._estimate(other))

    def clearly_better(self, row: Row, other: Row) -> bool:
        """Whether the whole interval of the lead lies above 0, and of a ratio above the margin."""
        if not self.known(row) or not self.known(other):
            return False
        low = self.lead(row, other).low
        return low is not None and low > math.log1p(self.margin)

    def at_least(self, row: Row, other: Row) -> bool:
        return self._good(row[self.value]) >= self._good(other[self.value])

    def better(self, row: Row, other: Row) -> bool:
        return self._good(row[self.value]) > self._good(other[self.value])

    def _good(self, value: float) -> float:
        """The value as a number of which more is better."""
        signed = math.log(value) if self.ratio else value
        return signed if self.higher_is_better else -signed

    def _estimate(self, row: Row) -> Interval:
        bounds = [row[self.low], row[self.high]]
        if None in bounds:
            return Interval(value=self._good(row[self.value]), low=None, high=None)
        low, high = sorted(map(self._good, bounds))
        return Interval(value=self._good(row[self.value]), low=low, high=high)


def dominates(row: Row, other: Row, axes: Sequence[Axis]) -> bool:
    """As good by the estimates on every axis of which the other's is known, and better on one. Transitive."""
    common = [axis for axis in axes if axis.known(other)]
    if not all(axis.known(row) and axis.at_least(row, other) for axis in common):
        return False
    return any(axis.better(row, other) for axis in common)


def worth_a_look(rows: Sequence[Row], axes: Sequence[Axis]) -> list[Row]:
    """The rows that stay, in their order: nobody left out has a better estimate than all of them on any axis."""
    return [row for row in rows if not any(_makes_needless(other, row, axes) for other in rows)]


def _makes_needless(row: Row, other: Row, axes: Sequence[Axis]) -> bool:
    if not dominates(row, other, axes):
        return False
    knows_more = any(axis.known(row) and not axis.known(other) for axis in axes)
    return knows_more or any(axis.clearly_better(row, other) for axis in axes)
