"""How long the rest of a run will take, judged by what was done so far, in this command and in those before it."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.plan.estimate import Group, group_of
from harness.saying import duration
from harness.stages.unit_spec import board_of, uses_this_machine
from harness.store.units import Unit

WORKERS = ""  # the lane of what any worker does
JUDGE_SECONDS = 1.0  # at least, between two judgements: there may be thousands of sorts


@dataclass(slots=True)
class _Times:
    """What units of one sort took, in seconds."""

    total: float = 0.0
    count: int = 0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        self.total, self.count, self.longest = self.total + seconds, self.count + 1, max(self.longest, seconds)

    def typical(self) -> float | None:
        """Their mean. The slowest, which loaded the model, counts only if it is alone."""
        if self.count < 2:
            return self.total if self.count else None
        return (self.total - self.longest) / (self.count - 1)


@dataclass(slots=True, kw_only=True)
class _Lane:
    """Who does units beside the other lanes: all workers together, or one board.

    is_here  whether it takes this machine.   in_hand  keys of the units that began and have not ended.
    busy     seconds of the clock in which there were any, until `since`.   worked  what the ended ones took.
    """

    is_here: bool
    in_hand: set[str] = field(default_factory=set)
    busy: float = 0.0
    since: float = 0.0
    worked: float = 0.0

    def begin(self, key: str, now: float) -> None:
        self._pass(now)
        self.in_hand.add(key)

    def end(self, key: str, now: float, *, worked: float) -> None:
        self._pass(now)
        self.in_hand.discard(key)
        self.worked += worked

    def _pass(self, now: float) -> None:
        self.busy, self.since = self.busy + (now - self.since if self.in_hand else 0.0), now

    def pace(self) -> float | None:
        """Seconds of the clock for one second of a unit: small with many workers, above 1 where much lies between."""
        return self.busy / self.worked if self.worked else None


class Outlook:
    """What is left, by sort and by who does it, and what each sort takes. Threads may ask while it changes.

    units  those of the plan, each with the seconds that it took, or None if it is still to do.
    """

    def __init__(self, units: Iterable[tuple[Unit, float | None]]) -> None:
        self._lock = threading.Lock()
        self._left: Counter[Group] = Counter()
        self._lanes: dict[str, _Lane] = {}
        self._lane_of: dict[Group, str] = {}
        self._times: defaultdict[Group | str, _Times] = defaultdict(_Times)  # by sort, and by kind
        for unit, seconds in units:
            if seconds is None:
                self._count(unit, 1)
            else:
                self._learn(unit, seconds)
        self._total = self._left.total()
        self._has_news, self._judged_at = True, -JUDGE_SECONDS
        self._end, self._is_least = 0.0, True  # when the run ends, by what was known then

    def began(self, unit: Unit) -> None:
        with self._lock:
            self._lane(unit).begin(unit.key, time.monotonic())

    def ended(self, unit: Unit, *, seconds: float = 0.0, is_done: bool = False, comes_again: bool = False) -> None:
        """A unit is done, has failed, is left for another time, or comes again."""
        with self._lock:
            self._lane(unit).end(unit.key, time.monotonic(), worked=seconds)
            if not comes_again:
                self._count(unit, -1)
                self._total -= 1
            if is_done:
                self._learn(unit, seconds)
            self._has_news = True

    def as_text(self) -> str:
        """ "about 3 min left"; "more than 3 min left" while the time of some kind of unit is unknown; "" at the end."""
        with self._lock:
            if self._total <= 0:
                return ""
            now = time.monotonic()
            if self._has_news and now - self._judged_at >= JUDGE_SECONDS:
                self._judge(now)
            if self._end <= now:  # nothing is known, or what is in hand takes longer than others of its sort
                return "time left unknown"
            return f"{'more than' if self._is_least else 'about'} {duration(self._end - now)} left"

    def _judge(self, now: float) -> None:
        """Workers, and boards that take this machine, do their parts one after the other; all others meanwhile."""
        parts: defaultdict[str, float] = defaultdict(float)
        self._is_least, self._has_news, self._judged_at = False, False, now
        for sort, count in self._left.items():
            lane = self._lane_of[sort]
            each, pace = self._typical(sort), self._pace(lane)
            if each is None or pace is None:
                self._is_least |= count > 0
            else:
                parts[lane] += max(count, 0) * each * pace
        here = sum(seconds for lane, seconds in parts.items() if self._lanes[lane].is_here)
        elsewhere = max((seconds for lane, seconds in parts.items() if not self._lanes[lane].is_here), default=0.0)
        self._end = now + max(here, elsewhere)

    def _typical(self, sort: Group) -> float | None:
        """Of its like; else of its kind, whatever the model."""
        own = self._times[sort].typical()
        return self._times[dict(sort)["kind"]].typical() if own is None else own

    def _pace(self, lane: str) -> float | None:
        """A board does one unit at a time; how many workers there are, their first results show."""
        pace = self._lanes[lane].pace()
        return 1.0 if pace is None and lane != WORKERS else pace

    def _learn(self, unit: Unit, seconds: float) -> None:
        for name in (group_of(unit), unit.kind):
            self._times[name].add(seconds)

    def _count(self, unit: Unit, change: int) -> None:
        sort = group_of(unit)
        self._left[sort] += change
        self._lane_of[sort] = board_of(unit) or WORKERS
        self._lane(unit)

    def _lane(self, unit: Unit) -> _Lane:
        return self._lanes.setdefault(board_of(unit) or WORKERS, _Lane(is_here=uses_this_machine(unit)))
