"""What can be asked of a run's store. Reports know this alone: `ReadOnlyStore`, which changes and creates no file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from harness.store import digests
from harness.store.blobs import Blobs, Seen
from harness.store.folder import UnreadableStore, unreadable
from harness.store.integrity import Damage, find_damage
from harness.store.opening import ATTEMPTS, Reading, Stamp
from harness.store.units import Prediction, Score, StoredUnit, Unit

PAGE = 200  # rows of a plan that are read at once

Result = TypeVar("Result")


class StoreReader(Blobs):
    """The queries of an open database. Raises UnreadableStore for one that cannot be read any more.

    findings  what is known to be wrong with the run as a whole, as sentences.
    """

    def __init__(
        self, folder: Path, database: sqlite3.Connection, *, findings: tuple[str, ...] = (), seen: Seen | None = None
    ) -> None:
        super().__init__(folder / "blobs")
        self.folder = folder
        self._database, self._findings = database, findings
        self._seen: Seen = {} if seen is None else seen
        self._damage: Damage | None = None

    @property
    def damage(self) -> Damage:
        """What of the run is damaged: looked for once. From then on damaged units are read as failed ones."""
        if self._damage is None:
            try:
                found = find_damage(self._database, self.folder, self, self._seen)
                self._damage = replace(found, run=(*self._findings, *found.run))
            except (sqlite3.Error, ValueError) as error:
                raise unreadable(self.folder, f"is damaged ({error})") from error
            if self._damage.units or self._damage.run:
                self._database.text_factory = _readable  # a damaged text need not be UTF-8
        return self._damage

    def finished(self) -> dict[str, str]:
        """The status, done or failed, of every key that has one."""
        return dict(self._rows("SELECT key, status FROM unit"))

    def unit(self, key: str) -> StoredUnit:
        """One finished unit. Raises KeyError when it was never done."""
        stored = self.find(key)
        if stored is None:
            raise KeyError(key)
        return stored

    def find(self, key: str) -> StoredUnit | None:
        """One finished unit; None when it was never done, or is damaged."""
        rows = self._rows(
            "SELECT key, kind, spec, needs, status, reason, result, seconds FROM unit WHERE key = ?", (key,)
        )
        return self._stored_unit(rows[0]) if rows and not self._why_damaged(key) else None

    def missing(self) -> Iterator[Unit]:
        """The planned units that are neither done nor failed, in order; units may be committed meanwhile."""
        return map(_unit, self._plan_rows("p.kind, p.spec, p.needs", "u.key IS NULL"))

    def planned_unit(self, key: str) -> Unit | None:
        """The unit of the latest plan that has this key."""
        rows = self._rows("SELECT kind, spec, needs FROM planned WHERE key = ?", (key,))
        return _unit(rows[0]) if rows else None

    def counts(self, keys: Collection[str] | None = None) -> dict[str, dict[str, int]]:
        """Per kind of the latest plan, in its order: how many units are done, failed and planned."""
        rows = self._rows(
            "SELECT p.key, p.kind, coalesce(u.status, 'planned') FROM planned p LEFT JOIN unit u USING (key) "
            "ORDER BY position"
        )
        counts: dict[str, dict[str, int]] = {}
        for key, kind, status in rows:
            if keys is None or key in keys:
                of_kind = counts.setdefault(kind, {"done": 0, "failed": 0, "planned": 0})
                of_kind[status if status in of_kind else "failed"] += 1  # a damaged row may say anything
        return counts

    def planned_units(self, kind: str | None = None) -> Iterator[StoredUnit]:
        """The units of the latest plan, in order, finished or not; units may be committed meanwhile."""
        columns = (
            "p.key, p.kind, p.spec, p.needs, coalesce(u.status, 'planned'), coalesce(u.reason, ''), "
            "coalesce(u.result, '{}'), u.seconds"
        )
        return map(self._stored_unit, self._plan_rows(columns, "?2 IS NULL OR p.kind = ?2", kind))

    def times(self) -> Iterator[tuple[Unit, float | None]]:
        """The planned units that did not fail, with the seconds that each took; None for those that are to do."""
        rows = self._plan_rows("p.kind, p.spec, p.needs, u.seconds", "u.key IS NULL OR u.status = 'done'")
        return ((_unit(row[:3]), row[3]) for row in rows)

    def predictions(self, key: str) -> list[Prediction]:
        """Of a unit; none of a damaged one."""
        rows = self._rows_of("image, label, ranked, scores", "prediction", key)
        return [
            Prediction(image=image, label=label, ranked=tuple(json.loads(ranked)), scores=tuple(json.loads(scores)))
            for image, label, ranked, scores in rows
        ]

    def scores(self, key: str) -> list[Score]:
        """Of a unit; none of a damaged one."""
        rows = self._rows_of("image, value, reason", "score", key)
        return [Score(image=image, value=value, reason=reason) for image, value, reason in rows]

    def done_between(self) -> tuple[str, str] | None:
        """When the first and the last done unit of the plan was finished, ISO 8601 in UTC; None where none is done."""
        [(first, last)] = self._rows(
            "SELECT min(u.finished_at), max(u.finished_at) FROM planned p JOIN unit u USING (key) "
            "WHERE u.status = 'done'"
        )
        return (first, last) if first else None

    def commits(self) -> int:
        """How many transactions there were; grows with whatever is stored."""
        rows = self._rows("SELECT commits FROM tally")
        return int(rows[0][0]) if rows else 0

    def digest(self) -> str:
        """Of all that is stored, as the tally has it; `damage` tells whether the tally is right."""
        return digests.digest(self._rows("SELECT units, plan, meta FROM tally"))

    def meta(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    # ----------------------------------------------------------------------------------------------- internals
    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise unreadable(self.folder, f"cannot be read ({error})") from error

    def _rows_of(self, columns: str, table: str, key: str) -> list[tuple[Any, ...]]:
        if self._why_damaged(key):
            return []
        return self._rows(f"SELECT {columns} FROM {table} WHERE unit = ?", (key,))

    def _plan_rows(self, columns: str, condition: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of the plan with what is stored of them, a page at a time: a plan of any length takes little memory."""
        query = (
            f"SELECT p.position, {columns} FROM planned p LEFT JOIN unit u USING (key) "
            f"WHERE p.position > ?1 AND ({condition}) ORDER BY p.position LIMIT {PAGE}"
        )
        position = -1
        while rows := self._rows(query, (position, *values)):
            yield from (row[1:] for row in rows)
            position = rows[-1][0]

    def _stored_unit(self, row: tuple[Any, ...]) -> StoredUnit:
        """Raises UnreadableStore for a row that makes no sense, unless it is known to be damaged."""
        key, kind, spec, needs, status, reason, result, seconds = row
        wrong = self._why_damaged(key)
        if wrong:
            status, reason, result, seconds = "failed", f"{wrong}; `bitlens run` does it again", "{}", None
        try:
            return StoredUnit(
                key=key,
                kind=kind,
                spec=json.loads(spec),
                needs=json.loads(needs),
                status=status,
                reason=reason,
                result=json.loads(result),
                seconds=seconds,
            )
        except (TypeError, ValueError) as error:
            raise unreadable(self.folder, f"is damaged: the row of a unit is no JSON ({error})") from error

    def _why_damaged(self, key: str) -> str:
        return self._damage.units.get(key, "") if self._damage else ""


class ReadOnlyStore(StoreReader):
    """The store of a run, open and at work or not, as it is at one moment. Use as a context manager.

    seen   blobs that were intact when they were last read; see `Blobs.damage_of`.
    sound  the `stamp` of a database whose pages were checked before.
    Raises UnreadableStore for a folder that holds no run, or one that is damaged as a whole.
    """

    def __init__(self, folder: Path, *, seen: Seen | None = None, sound: Stamp | None = None) -> None:
        self._reading = Reading(folder, sound=sound)
        super().__init__(folder, self._reading.database, findings=self._reading.findings, seen=seen)

    @property
    def stamp(self) -> Stamp:
        return self._reading.stamp

    def was_overwritten(self) -> bool:
        return self._reading.was_overwritten()

    def __enter__(self) -> ReadOnlyStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()


def read_store(folder: Path, read: Callable[[ReadOnlyStore], Result], *, seen: Seen | None = None) -> Result:
    """What a function makes of a run's store. It is called again when a run began to write while it read.

    Raises UnreadableStore as `ReadOnlyStore` does, and DamagedRun as `StoreReader.damage`.
    """
    for _ in range(ATTEMPTS):
        with ReadOnlyStore(folder, seen=seen) as store:
            try:
                result = read(store)
            except UnreadableStore:
                if not store.was_overwritten():
                    raise
                continue
            if not store.was_overwritten():
                return result
    raise unreadable(folder, "is being written all the time", hint="try again")


def _readable(text: bytes) -> str:
    return text.decode(errors="replace")


def _unit(row: tuple[Any, ...]) -> Unit:
    kind, spec, needs = row
    return Unit(kind=kind, spec=json.loads(spec), needs=json.loads(needs))
