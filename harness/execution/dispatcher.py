"""Which unit can be done next, and where. It reads the plan a bounded way ahead and does nothing itself.

A unit is ready when all that it builds on is finished. What is timed on this machine waits until everything before it
is done, and everything after it that would use this machine waits for it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from harness.registry import resolve
from harness.stages.stage_table import STAGES
from harness.stages.unit_spec import board_of, model_of, needs_quiet, uses_this_machine
from harness.store.units import Unit

Name = TypeVar("Name")
READ_AHEAD = 2000  # units in memory at once, however long the plan is


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedUnit:
    """A unit with its key, which takes a hash to compute. `board` is None for what a worker does.

    position  where it stands in the plan; below zero where it came back undone.
    """

    position: int
    key: str
    unit: Unit
    board: str | None
    uses_host: bool
    needs_quiet: bool


class Dispatcher:
    """The units still to do, in order.

    board_for  the device, or other place beside the coordinator, that does a unit; None for any worker.
    """

    def __init__(self, units: Iterable[Unit], *, board_for: Callable[[Unit], str | None] = board_of) -> None:
        self._units = iter(units)
        self._positions = itertools.count()
        self._board_for = board_for
        self._held: QueuedUnit | None = None  # read, and waiting for this machine to be free for it
        self._open: dict[str, QueuedUnit] = {}  # read and not finished
        self._waiting: dict[str, list[QueuedUnit]] = {}  # by the key of what they wait for
        self._lacking: dict[str, int] = {}  # how many units each of these still waits for
        self._models: dict[str, deque[QueuedUnit]] = {}  # ready for a worker
        self._boards: dict[tuple[str, bool], deque[QueuedUnit]] = {}  # ready for a board; what is timed queues apart
        self._in_hand: dict[str, QueuedUnit] = {}
        self._timed = self._on_host = 0  # how many of the open ones are timed here, and how many use this machine
        self._read()

    def is_finished(self) -> bool:
        return not self._open and self._held is None

    # ------------------------------------------------------------------------------------------------- handing over
    def has_for_workers(self) -> bool:
        return bool(self._models) and not self._is_timing()

    def next_for_worker(self, holds: str = "", *, held_by_others: Collection[str] = ()) -> QueuedUnit | None:
        """A unit for a worker: of no model, of the one that it holds, of one that nobody holds, of any."""
        if self._is_timing():
            return None
        alone = {model_of(queued.unit) for queued in self._in_hand.values() if STAGES[queued.unit.kind].one_at_a_time}
        possible = [name for name, ready in self._models.items() if not self._must_wait(name, ready[0], alone)]
        for wanted in ("", holds):
            if wanted in possible:
                return self._take(self._models, wanted)
        free = [name for name in possible if name not in held_by_others]
        if free:
            return self._take(self._models, free[0])
        longest = max(possible, key=lambda name: len(self._models[name]), default=None)
        return None if longest is None else self._take(self._models, longest)

    def next_for_boards(self, busy: Collection[str]) -> Iterator[QueuedUnit]:
        """A unit for each board that is free."""
        for queue in list(self._boards):
            if queue[0] not in busy and self._may_begin(self._boards[queue][0]):
                yield self._take(self._boards, queue)

    def _must_wait(self, model: str, first: QueuedUnit, alone: Collection[str]) -> bool:
        return model in alone and STAGES[first.unit.kind].one_at_a_time

    def _may_begin(self, ready: QueuedUnit) -> bool:
        if ready.needs_quiet:
            return not self._on_host and not self._is_timing()
        return not (ready.uses_host and self._is_timing())

    def _is_timing(self) -> bool:
        return any(queued.needs_quiet for queued in self._in_hand.values())

    def _take(self, queues: dict[Name, deque[QueuedUnit]], name: Name) -> QueuedUnit:
        taken = queues[name].popleft()
        if not queues[name]:
            del queues[name]
        self._in_hand[taken.key] = taken
        return taken

    # --------------------------------------------------------------------------------------------------- coming back
    def finished(self, key: str) -> None:
        """A unit is stored: what waited for it may be done."""
        self._leave(key)
        for waiting in self._waiting.pop(key, ()):
            self._lacking[waiting.key] -= 1
            if not self._lacking[waiting.key]:
                del self._lacking[waiting.key]
                self._make_ready(waiting)
        self._read()

    def again(self, unit: Unit, *, after: Unit | None = None) -> None:
        """A unit came back undone: it is the next of its model, behind another that must be done again first."""
        self._leave(unit.key)
        if after is not None and after.key not in self._open:
            self._admit(self._queued(after, first=True), first=True)
        self._admit(self._queued(unit, first=True), first=True)

    def _leave(self, key: str) -> None:
        self._in_hand.pop(key, None)
        left = self._open.pop(key, None)
        if left is not None:
            self._timed -= left.needs_quiet
            self._on_host -= left.uses_host and not left.needs_quiet

    # ------------------------------------------------------------------------------------------------------- reading
    def _read(self) -> None:
        while len(self._open) < READ_AHEAD:
            following = self._held or next(map(self._queued, self._units), None)
            self._held = None
            if following is None:
                return
            if self._timed and following.uses_host and not following.needs_quiet:
                self._held = following
                return
            self._admit(following)

    def _queued(self, unit: Unit, *, first: bool = False) -> QueuedUnit:
        board, position = self._board_for(unit), next(self._positions)
        return QueuedUnit(
            position=~position if first else position,
            key=unit.key,
            unit=unit,
            board=board,
            uses_host=board is None or uses_this_machine(unit),
            needs_quiet=needs_quiet(unit),
        )

    def _admit(self, following: QueuedUnit, *, first: bool = False) -> None:
        self._open[following.key] = following
        self._timed += following.needs_quiet
        self._on_host += following.uses_host and not following.needs_quiet
        unfinished = {key for key in builds_on(following.unit) if key in self._open}
        for key in unfinished:
            self._waiting.setdefault(key, []).append(following)
        if unfinished:
            self._lacking[following.key] = len(unfinished)
        else:
            self._make_ready(following, first=first)

    def _make_ready(self, ready: QueuedUnit, *, first: bool = False) -> None:
        if ready.board is None:
            queue = self._models.setdefault(model_of(ready.unit), deque())
            (queue.appendleft if first else queue.append)(ready)
        else:  # in the order of the plan, and not of their conversions: rounds of artifacts take turns
            queue = self._boards.setdefault((ready.board, ready.needs_quiet), deque())
            queue.insert(sum(other.position < ready.position for other in queue), ready)


def builds_on(unit: Unit) -> list[str]:
    """The keys of what should be finished first: what a unit needs, and what saves it work if it is planned too."""
    helped_by = STAGES[unit.kind].helped_by
    return [*unit.needs.values(), *(resolve(helped_by)(unit) if helped_by else ())]
