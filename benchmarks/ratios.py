"""Ratios that say how far to trust them: contenders take turns until each interval is narrow, or says that it is not.

A round measures every contender once, in an order of its own, so that whatever else the machine does strikes them all;
ratios are taken within a round. What stands for a run is the median over its rounds, which one disturbed round does not
move, with a 95 % interval from order statistics (Thompson 1936, doi:10.1214/aoms/1177732502): it assumes nothing of the
distribution, and needs six rounds. It covers the rounds of this run; another day may differ by more.

Whether the intervals are narrow enough is looked at after the first rounds, and again whenever half as many have been
added. To look after each round would stop at the lucky ones: the interval would hold the truth in 92 of 100 runs.

    turns = take_turns({"loop": loop, "ours": ours}, {"loop_over_ours": Comparison(over("loop", "ours"))}, Limits())
    turns.ratios["loop_over_ours"]

Needs the standard library alone, and `harness/devices/rounds.py`.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

from harness.devices.rounds import interleaved

LEAST_FOR_AN_INTERVAL = 6
WIDTH = 0.05
Samples = dict[str, list[float]]  # by contender, one number for each round
Contender = Callable[[], float | Mapping[str, float]]  # measures itself: seconds, or several costs by their names


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When rounds may end.

    width         of every interval, as a fraction of its ratio: 0.05 is from 2.5 % below to 2.5 % above.
    least_rounds  before the intervals are looked at.    most_rounds, most_seconds: after either it is said that some
                  are wider. Seconds count for one call of `take_turns`, and the least rounds are measured anyhow.
    """

    width: float = WIDTH
    least_rounds: int = 9
    most_rounds: int = 120
    most_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ratio for each round of the samples; above 1 it speaks for ours. `what` names it to people."""

    of: Callable[[Samples], list[float]]
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times faster, smaller or whatever `what` says, with its 95 % interval; None where rounds give none.

    width   wanted of the interval, as a fraction; None for what is counted and has no noise.
    floor   below which it must not fall; None where nothing is promised.
    """

    what: str
    value: float
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    width: float | None = None
    floor: float | None = None

    @property
    def doubt(self) -> str:
        """Why the interval is not what was wanted; empty where it is."""
        if self.width is None:
            return ""
        if self.low is None or self.high is None:
            return f"no interval: {self.rounds} of {LEAST_FOR_AN_INTERVAL} rounds"
        wide = (self.high - self.low) / self.value
        if wide <= self.width:
            return ""
        return f"{wide:.1%} wide after {self.rounds} rounds, {self.width:.1%} wanted"


@dataclass(frozen=True, slots=True)
class Turns:
    """What was measured: the samples of each contender, and the ratios by name."""

    samples: Samples
    ratios: dict[str, Ratio] = field(default_factory=dict)

    def median(self, contender: str) -> float:
        return statistics.median(self.samples[contender])


def take_turns(
    contenders: Mapping[str, Contender],
    comparisons: Mapping[str, Comparison],
    limits: Limits,
    *,
    between: Callable[[], object] = lambda: None,
    label: str = "",
    seed: int = 0,
) -> Turns:
    """Rounds of all contenders, until each ratio's interval is narrower than `limits.width` or a limit is met.

    between  called after each round, outside of what is measured.
    label    said on stderr with the number of rounds in the end; nothing is said without one.
    """
    samples: Samples = {}
    ratios: dict[str, Ratio] = {}
    began, rounds, look_after = time.monotonic(), 0, min(limits.least_rounds, limits.most_rounds)
    turns = interleaved(list(contenders), rounds=limits.most_rounds, seed=seed)
    for _, turn in itertools.groupby(turns, key=itemgetter(0)):
        costs = {name: contenders[name]() for _, name in turn}
        for name in contenders:  # in their own order, whatever that of the round was
            cost = costs[name]
            parts = cost if isinstance(cost, Mapping) else {"": cost}
            for part, value in parts.items():
                samples.setdefault(f"{name}, {part}" if part else name, []).append(value)
        between()
        rounds += 1
        late = rounds >= limits.least_rounds and time.monotonic() - began > limits.most_seconds
        if rounds < look_after and not late:
            continue
        ratios = {name: ratio_of(comparison, samples, width=limits.width) for name, comparison in comparisons.items()}
        look_after = min(math.ceil(1.5 * rounds), limits.most_rounds)
        if late or not any(ratio.doubt for ratio in ratios.values()):
            break
    if label:
        print(f"{label}: {rounds} rounds, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return Turns(samples, ratios)


def ratio_of(comparison: Comparison, samples: Samples, *, width: float) -> Ratio:
    values = comparison.of(samples)
    low, high = median_interval(values)
    value = statistics.median(values)
    return Ratio(what=comparison.what, value=value, low=low, high=high, rounds=len(values), width=width)


def over(slow: str, fast: str) -> Callable[[Samples], list[float]]:
    """What one contender takes over what another takes, within each round."""
    return best_over([slow], fast)


def best_over(slow: Sequence[str], fast: str) -> Callable[[Samples], list[float]]:
    """The same for whichever of several has the least median."""

    def ratios(samples: Samples) -> list[float]:
        best = min(slow, key=lambda name: statistics.median(samples[name]))
        return [theirs / ours for theirs, ours in zip(samples[best], samples[fast], strict=True)]

    return ratios


def counted(what: str, value: float) -> Ratio:
    """A ratio of numbers that are the same in every run, such as instructions."""
    return Ratio(what=what, value=value)


def measured_once(what: str, value: float, *, width: float = WIDTH) -> Ratio:
    """A ratio of what one run has once, such as peaks of memory: it has no interval, and says so."""
    return Ratio(what=what, value=value, rounds=1, width=width)


def least(ratios: Mapping[str, Ratio], *, what: str) -> Ratio:
    """The smallest of several, which `what` names together; whose it is is added."""
    name = min(ratios, key=lambda name: ratios[name].value)
    return replace(ratios[name], what=f"{what}: least, {name}")


def middle(ratios: Mapping[str, Ratio], *, what: str) -> Ratio:
    """The one in the middle, the lower of two, so that its interval is that of one of them."""
    name = sorted(ratios, key=lambda name: ratios[name].value)[(len(ratios) - 1) // 2]
    return replace(ratios[name], what=f"{what}: median, {name}")


def median_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The 95 % interval of the median: both None below six values."""
    n = len(values)
    below = itertools.accumulate(math.comb(n, k) / 2**n for k in range(n))  # at most k of them below the median
    rank = sum(1 for _ in itertools.takewhile(lambda chance: chance <= 0.025, below))
    ordered = sorted(values)
    return (ordered[rank - 1], ordered[n - rank]) if rank else (None, None)
