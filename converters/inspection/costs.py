"""What one inference multiplies: every operator of a graph, and the graphs that it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from converters.inspection.loops import trip_count
from converters.inspection.macs import arithmetic, multiplications
from converters.inspection.parts import Graph, Operator, calls

MOST_MACS = 2**63  # more is no loop that anybody waits for


@dataclass(frozen=True, slots=True)
class Cost:
    """Multiply-accumulates by arithmetic, and how many operators of each type have some that cannot be told.

    With such operators the numbers are the least that there are.
    """

    macs: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.macs.values())

    @property
    def exact(self) -> int | None:
        """The total; None where a part of it cannot be told."""
        return None if self.unknown else self.total

    def times(self, count: int) -> Cost:
        """What is unknown stays that many operators, however often they run."""
        return Cost(Counter({kind: macs * count for kind, macs in self.macs.items()}), self.unknown)


def total(costs: Iterable[Cost]) -> Cost:
    macs: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for cost in costs:
        macs.update(cost.macs)
        unknown.update(cost.unknown)
    return Cost(macs, unknown)


class Costs:
    """The costs of a file's graphs, each worked out once."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self._graphs = graphs
        self._known: dict[int, list[Cost]] = {}
        self._running: set[int] = set()

    def of_operators(self, number: int) -> list[Cost]:
        """One for each operator of a graph, in its order. Raises IndexError for a graph that there is not."""
        if number not in self._known:
            self._running.add(number)
            self._known[number] = [self._of(operator) for operator in self._graphs[number].operators]
            self._running.discard(number)
        return self._known[number]

    def of_graph(self, number: int) -> Cost:
        return total(self.of_operators(number))

    def _of(self, operator: Operator) -> Cost:
        called = calls(operator)
        if operator.name == "CALL_ONCE":  # runs before the first inference, and never again
            return Cost()
        if not called:
            count = multiplications(operator)
            return (
                _unknown(operator) if count is None else Cost(Counter({arithmetic(operator): count} if count else {}))
            )
        if self._running & set(called):  # graphs that run themselves
            return _unknown(operator)
        costs = [self.of_graph(number) for number in called]
        if operator.name in ("CALL", "STABLEHLO_COMPOSITE"):
            return costs[0]
        if not any(cost.macs or cost.unknown for cost in costs):
            return Cost()
        if operator.name == "IF":
            return _either(operator, *costs)
        return self._loop(operator, called, costs) if operator.name == "WHILE" else _unknown(operator)

    def _loop(self, operator: Operator, called: Sequence[int], costs: Sequence[Cost]) -> Cost:
        condition, body = called
        trips = trip_count(operator, self._graphs[condition], self._graphs[body])
        if trips is None or trips * sum(cost.total for cost in costs) > MOST_MACS:
            return _unknown(operator)
        return total([costs[0].times(trips + 1), costs[1].times(trips)])


def _either(operator: Operator, one: Cost, other: Cost) -> Cost:
    """Which branch runs is not known: at least what both have."""
    return one if one == other else Cost(one.macs & other.macs, Counter({operator.name: 1}))


def _unknown(operator: Operator) -> Cost:
    return Cost(Counter(), Counter({operator.name: 1}))
