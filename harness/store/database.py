"""The store of a run: one SQLite file, and arrays and artifacts beside it, named by their content.

It knows units of work by key, kind and result, and nothing about how they are done. The coordinator writes it; reports
read it.

    <run>/store.sqlite      units, their results, predictions and scores; write-ahead log, no unit without all its rows
    <run>/store.commits     how many transactions were committed to it
    <run>/blobs/<sha256>    saliency maps and images (.npy), artifacts (.tflite)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.store import digests
from harness.store.integrity import Damage
from harness.store.opening import NOTED, open_to_write
from harness.store.store_reader import StoreReader
from harness.store.units import Outcome, Unit, canonical_json


class Store(StoreReader):
    """One run's folder, to be read and written. Use as a context manager; safe to kill at any moment.

    is_locked  whether the caller holds the folder's lock (`only_run_in`), as a run does.
    `schema_found` is the schema that the folder had when it was opened; it has the present one now.
    Raises UnreadableStore for a folder of a newer bitlens, for one of an older one in which a run is at work, and for
    one that is damaged as a whole.
    """

    def __init__(self, folder: Path, *, is_locked: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        opened = open_to_write(folder, is_locked=is_locked)
        super().__init__(folder, opened.database, findings=opened.findings)
        self.schema_found = opened.schema_found
        self._notes: int | None = None  # the descriptor of store.commits, from the first commit on

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        if self._notes is not None:
            os.close(self._notes)

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction for all that the block writes: all of it is kept, or nothing if the block raises."""
        if self._database.in_transaction:
            yield
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("UPDATE tally SET commits = commits + 1")
            (commits,) = self._database.execute("SELECT commits FROM tally").fetchone()
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # SQLite has rolled back by itself when the disk is full
                self._database.execute("ROLLBACK")
            raise
        self._note(commits)

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
            self._database.execute("UPDATE tally SET plan = ?", (digests.plan_digest(self._database),))

    def set_meta(self, name: str, value: str) -> None:
        with self.together():
            self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
            self._database.execute("UPDATE tally SET meta = ?", (digests.meta_digest(self._database),))

    def commit(self, unit: Unit, outcome: Outcome, *, seconds: float) -> None:
        """Store a finished unit and all its rows, or nothing of it."""
        with self.together():
            key = self._insert_unit(unit, "done", "", outcome.result, seconds)
            self._database.executemany(
                "INSERT INTO prediction VALUES (?, ?, ?, ?, ?)",
                [(key, p.image, p.label, json.dumps(p.ranked), json.dumps(p.scores)) for p in outcome.predictions],
            )
            self._database.executemany(
                "INSERT INTO score VALUES (?, ?, ?, ?)",
                [(key, s.image, s.value, s.reason) for s in outcome.scores],
            )
            self._seal(key)

    def fail(self, unit: Unit, reason: str, *, seconds: float) -> None:
        """Store that a unit was tried and why it failed. It is not tried again until it is forgotten."""
        with self.together():
            self._seal(self._insert_unit(unit, "failed", reason, {}, seconds))

    def forget_failures(self) -> int:
        """Drop failed units so that the next plan does them again. Returns how many there were."""
        failed = [key for key, status in self.finished().items() if status == "failed"]
        self.forget(failed)
        return len(failed)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop units and their rows, so that they are done again."""
        keys = list(keys)
        with self.together():
            for table, column in (("prediction", "unit"), ("score", "unit"), ("unit", "key")):
                self._database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(key,) for key in keys])
            self._database.execute("UPDATE tally SET units = ?", (digests.units_digest(self._database),))

    def forget_damaged(self) -> Damage:
        """Drop every unit whose row or blob is damaged, so that it is done again. Returns what was wrong.

        The plan and the facts about the run must have been written again before.
        """
        damage = self.damage
        if damage:
            with self.together():
                (commits,) = self._database.execute("SELECT commits FROM tally").fetchone()
                self._drop_damaged(damage)
                digests.count_all(self._database, commits=commits)
        self._damage, self._findings = None, ()
        return damage

    # ----------------------------------------------------------------------------------------------- internals
    def _drop_damaged(self, damage: Damage) -> None:
        """By row number: a damaged key need not be text, and a row of a unit that is gone has none."""
        self._database.text_factory = lambda text: text.decode(errors="replace")
        rows = [row for row, key in self._database.execute("SELECT rowid, key FROM unit") if str(key) in damage.keys]
        for table in ("prediction", "score"):
            self._database.executemany(
                f"DELETE FROM {table} WHERE unit = (SELECT key FROM unit WHERE rowid = ?)", [(row,) for row in rows]
            )
        self._database.executemany("DELETE FROM unit WHERE rowid = ?", [(row,) for row in rows])
        for table in ("prediction", "score"):
            self._database.execute(f"DELETE FROM {table} WHERE unit NOT IN (SELECT key FROM unit)")
        self._database.text_factory = str

    def _note(self, commits: int) -> None:
        """Beside the database, for the day on which its log is damaged: then SQLite takes the last commits for none."""
        if self._notes is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._notes = os.open(self.folder / NOTED, flags, 0o666)
        os.pwrite(self._notes, b"%020d\n" % commits, 0)

    def _seal(self, key: str) -> None:
        digests.seal(self._database, key)
        digests.add_unit(self._database, key)

    def _insert_unit(self, unit: Unit, status: str, reason: str, result: dict[str, Any], seconds: float) -> str:
        key, now = unit.key, datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._database.execute(
            "INSERT INTO unit (key, kind, spec, needs, status, reason, result, finished_at, seconds) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(key, unit.kind, canonical_json(unit.spec), canonical_json(unit.needs)),
                *(status, reason, canonical_json(result), now, seconds),
            ),
        )
        return key
