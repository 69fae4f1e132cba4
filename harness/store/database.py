"""The store of a run: one SQLite file, and arrays and artifacts beside it, named by their content.

It knows units of work by key, kind and result, and nothing about how they are done. The coordinator writes it; reports
read it.

    <run>/store.sqlite      units, their results, predictions and scores; write-ahead log, no unit without all its rows
    <run>/blobs/<sha256>    saliency maps and images (.npy), artifacts (.tflite)
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.store import migration
from harness.store.blobs import Blobs
from harness.store.units import Outcome, Prediction, Score, StoredUnit, Unit, canonical_json

PAGE = 200  # rows of a plan that are read at once


class Store(Blobs):
    """One run's folder. Use as a context manager; safe to kill at any moment.

    is_locked  whether the caller holds the folder's lock (`only_run_in`), as a run does.
    `schema_found` is the schema that the folder had when it was opened; it has the present one now.
    Raises UnreadableStore for a folder of a newer bitlens, and for one of an older one in which a run is at work.
    """

    def __init__(self, folder: Path, *, is_locked: bool = False) -> None:
        super().__init__(folder / "blobs")
        self.folder = folder
        self._database = sqlite3.connect(folder / "store.sqlite", timeout=30.0, isolation_level=None)
        try:
            self.schema_found = migration.prepare(self._database, folder, is_locked=is_locked)
        except BaseException:
            self._database.close()
            raise
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA foreign_keys = ON")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    # ------------------------------------------------------------------------------------------------ writing
    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction for all that the block writes: all of it is kept, or nothing if the block raises."""
        if self._database.in_transaction:
            yield
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite has rolled back by itself when the disk is full
                self._database.execute("ROLLBACK")
            raise

    def replace_plan(self, units: Iterable[Unit], *, kinds: Sequence[str] = ()) -> None:
        """Remember which units the latest command asked for, each once: reports show these and no others.

        kinds  the order of the stages, if the units do not come in it. A plan of any length takes little memory.
        """
        rank = {kind: number << 40 for number, kind in enumerate(kinds)}
        rows = (
            (rank.get(u.kind, 0) + i, u.key, u.kind, canonical_json(u.spec), canonical_json(u.needs))
            for i, u in enumerate(units)
        )
        with self.together():
            self._database.execute("DELETE FROM planned")
            self._database.executemany(
                "INSERT OR IGNORE INTO planned (position, key, kind, spec, needs) VALUES (?, ?, ?, ?, ?)", rows
            )

    def set_meta(self, name: str, value: str) -> None:
        with self.together():
            self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def commit(self, unit: Unit, outcome: Outcome, *, seconds: float) -> None:
        """Store a finished unit and all its rows, or nothing of it."""
        with self.together():
            self._insert_unit(unit, "done", "", outcome.result, seconds)
            self._database.executemany(
                "INSERT INTO prediction VALUES (?, ?, ?, ?, ?)",
                [(unit.key, p.image, p.label, json.dumps(p.ranked), json.dumps(p.scores)) for p in outcome.predictions],
            )
            self._database.executemany(
                "INSERT INTO score VALUES (?, ?, ?, ?)",
                [(unit.key, s.image, s.value, s.reason) for s in outcome.scores],
            )

    def fail(self, unit: Unit, reason: str, *, seconds: float) -> None:
        """Store that a unit was tried and why it failed. It is not tried again until it is forgotten."""
        with self.together():
            self._insert_unit(unit, "failed", reason, {}, seconds)

    def forget_failures(self) -> int:
        """Drop failed units so that the next plan does them again. Returns how many there were."""
        with self.together():
            return self._database.execute("DELETE FROM unit WHERE status = 'failed'").rowcount

    def forget(self, keys: Iterable[str]) -> None:
        """Drop units and their rows, so that they are done again."""
        keys = list(keys)
        with self.together():
            for table, column in (("prediction", "unit"), ("score", "unit"), ("unit", "key")):
                self._database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(key,) for key in keys])

    def forget_damaged(self, kind: str) -> int:
        """Drop units of a kind whose blob is missing, cut short or altered, so that they are done again; how many."""
        stored = self._database.execute("SELECT key, result FROM unit WHERE kind = ? AND status = 'done'", (kind,))
        blobs = {key: json.loads(result).get("blob") for key, result in stored.fetchall()}
        damaged = [key for key, sha256 in blobs.items() if sha256 and not self.is_intact(sha256)]
        self.forget(damaged)
        return len(damaged)

    # ------------------------------------------------------------------------------------------------ reading
    def finished(self) -> dict[str, str]:
        """The status, done or failed, of every key that has one."""
        return dict(self._database.execute("SELECT key, status FROM unit"))

    def unit(self, key: str) -> StoredUnit:
        """One finished unit. Raises KeyError when it was never done."""
        stored = self.find(key)
        if stored is None:
            raise KeyError(key)
        return stored

    def find(self, key: str) -> StoredUnit | None:
        """One finished unit; None when it was never done."""
        row = self._database.execute(
            "SELECT key, kind, spec, needs, status, reason, result, seconds FROM unit WHERE key = ?", (key,)
        ).fetchone()
        return _stored_unit(row) if row else None

    def missing(self) -> Iterator[Unit]:
        """The planned units that are neither done nor failed, in order; units may be committed meanwhile."""
        return map(_unit, self._plan_rows("p.kind, p.spec, p.needs", "u.key IS NULL"))

    def planned_unit(self, key: str) -> Unit | None:
        """The unit of the latest plan that has this key."""
        row = self._database.execute("SELECT kind, spec, needs FROM planned WHERE key = ?", (key,)).fetchone()
        return _unit(row) if row else None

    def counts(self, keys: Collection[str] | None = None) -> dict[str, dict[str, int]]:
        """Per kind of the latest plan, in its order: how many units are done, failed and planned."""
        rows = self._database.execute(
            "SELECT p.key, p.kind, coalesce(u.status, 'planned') FROM planned p LEFT JOIN unit u USING (key) "
            "ORDER BY position"
        )
        counts: dict[str, dict[str, int]] = {}
        for key, kind, status in rows:
            if keys is None or key in keys:
                counts.setdefault(kind, {"done": 0, "failed": 0, "planned": 0})[status] += 1
        return counts

    def planned_units(self, kind: str | None = None) -> Iterator[StoredUnit]:
        """The units of the latest plan, in order, finished or not; units may be committed meanwhile."""
        columns = (
            "p.key, p.kind, p.spec, p.needs, coalesce(u.status, 'planned'), coalesce(u.reason, ''), "
            "coalesce(u.result, '{}'), u.seconds"
        )
        return map(_stored_unit, self._plan_rows(columns, "?2 IS NULL OR p.kind = ?2", kind))

    def predictions(self, key: str) -> list[Prediction]:
        rows = self._database.execute("SELECT image, label, ranked, scores FROM prediction WHERE unit = ?", (key,))
        return [
            Prediction(image=image, label=label, ranked=tuple(json.loads(ranked)), scores=tuple(json.loads(scores)))
            for image, label, ranked, scores in rows
        ]

    def scores(self, key: str) -> list[Score]:
        rows = self._database.execute("SELECT image, value, reason FROM score WHERE unit = ?", (key,))
        return [Score(image=image, value=value, reason=reason) for image, value, reason in rows]

    def meta(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    # ----------------------------------------------------------------------------------------------- internals
    def _plan_rows(self, columns: str, condition: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of the plan with what is stored of them, a page at a time: a plan of any length takes little memory."""
        query = (
            f"SELECT p.position, {columns} FROM planned p LEFT JOIN unit u USING (key) "
            f"WHERE p.position > ?1 AND ({condition}) ORDER BY p.position LIMIT {PAGE}"
        )
        position = -1
        while rows := self._database.execute(query, (position, *values)).fetchall():
            yield from (row[1:] for row in rows)
            position = rows[-1][0]

    def _insert_unit(self, unit: Unit, status: str, reason: str, result: dict[str, Any], seconds: float) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._database.execute(
            "INSERT INTO unit (key, kind, spec, needs, status, reason, result, finished_at, seconds) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(unit.key, unit.kind, canonical_json(unit.spec), canonical_json(unit.needs)),
                *(status, reason, canonical_json(result), now, seconds),
            ),
        )


def _unit(row: tuple[str, str, str]) -> Unit:
    kind, spec, needs = row
    return Unit(kind=kind, spec=json.loads(spec), needs=json.loads(needs))


def _stored_unit(row: tuple[Any, ...]) -> StoredUnit:
    key, kind, spec, needs, status, reason, result, seconds = row
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
