"""Writes results into the store, and says which units must be done again: those undone, and those damaged since."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.execution.task import TaskResult
from harness.stages.unit_spec import board_of
from harness.store.database import Store
from harness.store.units import Unit, canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A unit that came back undone. `after` is what it builds on and must be done again before it, if anything."""

    unit: Unit
    after: Unit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What became of some results: those that are in the store now, the units to do again, and those left undone."""

    stored: list[TaskResult] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)
    away: list[TaskResult] = field(default_factory=list)


class ResultCommitter:
    """The only one that writes units while a run lasts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._away: dict[str, str] = {}  # boards that are away, and why
        self._remade: set[str] = set()  # units that were done again for the sake of another: once, and never twice

    def commit(self, results: Iterable[TaskResult]) -> Committed:
        """Store outcomes and reasons, all in one transaction, so that one `fsync` pays for many units.

        Raises OSError when a disk is full: the unit is not to blame, and the run ends.
        """
        committed = Committed()
        with self._store.together():
            for result in results:
                if result.disk_full:
                    raise OSError(errno.ENOSPC, result.reason)
                repeat = self._repeat(result)
                if repeat is not None:
                    committed.repeats.append(repeat)
                elif result.away:
                    self._note_away(result)
                    committed.away.append(result)
                else:
                    self._write(result)
                    committed.stored.append(result)
        return committed

    def _write(self, result: TaskResult) -> None:
        if result.outcome is not None:
            self._store.commit(result.unit, result.outcome, seconds=result.seconds)
        else:
            self._store.fail(result.unit, result.reason, seconds=result.seconds)

    def _note_away(self, result: TaskResult) -> None:
        """The unit stays planned; the store is told once why nothing of its board is done."""
        board = board_of(result.unit)
        if board is not None and board not in self._away:
            self._away[board] = result.reason
            self._store.set_meta("away", canonical_json(self._away))

    def _repeat(self, result: TaskResult) -> Repeat | None:
        """How to do a unit again, if it is worth it. What made a damaged file is forgotten: once, and never twice."""
        damaged = result.damaged
        if damaged is None:
            return Repeat(unit=result.unit) if result.again else None
        try:
            if self._store.unit(damaged.key) != damaged:  # it was done again after this unit had been handed out
                return Repeat(unit=result.unit)
        except KeyError:  # it is being done again, and the dispatcher waits for it
            return Repeat(unit=result.unit)
        if damaged.key in self._remade:
            return None
        self._remade.add(damaged.key)
        self._store.forget([damaged.key])
        return Repeat(unit=result.unit, after=Unit(kind=damaged.kind, spec=damaged.spec, needs=damaged.needs))
