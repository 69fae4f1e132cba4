"""The tables of a run's database, and what is done with one that another version of bitlens wrote.

A newer schema is refused; an older one is brought to the present one when it is opened, all of it or nothing.

    2  2026-11-26  what a unit builds on is in `needs`, by role, and part of its key; the result of a saliency unit
                   names how its attributions lose their channels; a latency that means nothing is invalid, not void
    1  2026-11-23  the keys of those units stood among the texts of its spec
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from harness.errors import ConfigError
from harness.store.folder import only_run_in
from harness.store.units import Unit, canonical_json

SCHEMA_VERSION = 2
PAGE = 500  # rows of an older schema that are read at once

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE planned (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, spec TEXT NOT NULL,
    needs TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE unit (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, spec TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('done', 'failed')), reason TEXT NOT NULL,
    result TEXT NOT NULL, finished_at TEXT NOT NULL, seconds REAL NOT NULL,
    needs TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE prediction (
    unit TEXT NOT NULL REFERENCES unit, image TEXT NOT NULL, label INTEGER NOT NULL,
    ranked TEXT NOT NULL, scores TEXT NOT NULL, PRIMARY KEY (unit, image)
) WITHOUT ROWID;
CREATE TABLE score (
    unit TEXT NOT NULL REFERENCES unit, image TEXT NOT NULL, value REAL, reason TEXT NOT NULL, PRIMARY KEY (unit, image)
) WITHOUT ROWID;
"""

# Schema 1: the names in a spec that held keys, and the roles that they are now; kinds that are called otherwise now.
_ROLES = {
    "images": "images",
    "conversion": "conversion",
    "calibration": "calibration",
    "saliency": "saliency",
    "first": "first",
    "second": "second",
    "other": "other",
    "pool": "pool",
    "colours": "baseline_images",
    "limits": "aopc_bounds",
}
_KINDS = {"limits": "aopc_bounds"}
# The methods whose maps were sums over the channels, with their sign.
_SUMMED = ("input_times_gradient", "integrated_gradients")


class UnreadableStore(ConfigError):
    """A database that is not a run's, or that a newer bitlens wrote."""


def prepare(database: sqlite3.Connection, folder: Path, *, is_locked: bool = False) -> int:
    """Make the tables of a new database, or bring older ones to the present schema. Returns the schema that was there.

    is_locked  whether the caller holds the folder's lock. Otherwise an older schema is left to a run that is at work.
    Foreign keys must not be enforced yet: renamed units and their rows agree again at the end only.
    Raises UnreadableStore.
    """
    try:
        database.execute("BEGIN IMMEDIATE")
        try:
            version = _version(database, folder)
            is_old = version < SCHEMA_VERSION
            with _no_run_in(folder) if is_old and not is_locked else nullcontext():
                if is_old:
                    _bring_from_1(database)
                database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # SQLite has rolled back by itself when the disk is full
                database.execute("ROLLBACK")
            raise
    except sqlite3.OperationalError:  # locked, full, not writable: the disk's matter
        raise
    except sqlite3.DatabaseError as error:
        raise _refused(
            folder, f"is not a run's database, or a damaged one ({error})", hint="another --out folder"
        ) from error
    return version


@contextmanager
def _no_run_in(folder: Path) -> Iterator[None]:
    """Keep runs out: one of an older bitlens would write as if nothing had changed, and end with an error."""
    with ExitStack() as lock:
        try:
            lock.enter_context(only_run_in(folder))
        except ConfigError as error:
            what = "is of an older bitlens, and a run is working in it"
            raise _refused(folder, what, hint="wait for that run") from error
        yield


def _version(database: sqlite3.Connection, folder: Path) -> int:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        for statement in filter(str.strip, _TABLES.split(";")):
            database.execute(statement)
        database.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        return SCHEMA_VERSION
    row = "meta" in tables and database.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if not row or not row[0].isdecimal() or int(row[0]) < 1:
        raise _refused(folder, "is not a run's database: it names no schema", hint="another --out folder")
    version = int(row[0])
    if version > SCHEMA_VERSION:
        what = f"was written by a newer bitlens: expected schema {SCHEMA_VERSION} or older, got {version}"
        raise _refused(folder, what, hint="pip install --upgrade bitlens")
    return version


def _refused(folder: Path, what: str, *, hint: str) -> UnreadableStore:
    return UnreadableStore(f'run folder "{folder}": its store.sqlite {what}', hint=hint)


# ------------------------------------------------------------------------------------------------------- from schema 1
def _bring_from_1(database: sqlite3.Connection) -> None:
    """Give every unit its needs and the key that follows from them, wherever that key stands."""
    keys: dict[str, str] = {}  # those of schema 1, and what they are now
    for table in ("planned", "unit"):
        database.execute(f"ALTER TABLE {table} ADD COLUMN needs TEXT NOT NULL DEFAULT '{{}}'")
    for table in ("planned", "unit"):
        for row, key, kind, spec in _rows_of_1(database, table):
            unit = _renewed(database, kind, spec, keys)
            keys[key] = unit.key
            database.execute(
                f"UPDATE {table} SET key = ?, kind = ?, spec = ?, needs = ? WHERE rowid = ?",
                (keys[key], unit.kind, canonical_json(unit.spec), canonical_json(unit.needs), row),
            )
    for table in ("prediction", "score"):
        database.executemany(f"UPDATE {table} SET unit = ?2 WHERE unit = ?1", keys.items())
    # maps without channels, as controls and class activation maps are, take no harm from a name
    database.execute(
        "UPDATE unit SET result = json_set(result, '$.channels', "
        f"CASE WHEN json_extract(spec, '$.method') IN {_SUMMED} THEN 'sum' ELSE 'max_abs' END) "
        "WHERE kind = 'saliency' AND status = 'done'"
    )
    database.execute(
        "UPDATE unit SET result = json_set(result, '$.verdict', 'invalid') "
        "WHERE kind = 'latency' AND json_extract(result, '$.verdict') = 'void'"
    )
    database.execute("DELETE FROM meta WHERE name = 'command'")  # it left out options, paths and the demo
    database.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(SCHEMA_VERSION),))


def _rows_of_1(database: sqlite3.Connection, table: str) -> Iterator[tuple[int, str, str, str]]:
    """Row number, key, kind and spec, a page at a time: rows may be renamed meanwhile, and memory stays small."""
    query = f"SELECT rowid, key, kind, spec FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
    last = -1
    while rows := database.execute(query, (last,)).fetchall():
        yield from rows
        last = rows[-1][0]


def _renewed(database: sqlite3.Connection, kind: str, text: str, keys: dict[str, str]) -> Unit:
    """A unit of schema 1 as it is now."""
    spec = json.loads(text)
    needs = {}
    if kind != "images":  # the one kind that builds on nothing, whose `first` is a number
        needs = {role: spec.pop(name) for name, role in _ROLES.items() if name in spec}
        if isinstance(spec.get("judge"), dict):
            needs["judge"] = spec["judge"].pop("conversion")
    needs = {role: _renewed_key(database, key, keys) for role, key in needs.items() if key is not None}
    return Unit(kind=_KINDS.get(kind, kind), spec=spec, needs=needs)


def _renewed_key(database: sqlite3.Connection, key: str, keys: dict[str, str]) -> str:
    """The present key of a unit of schema 1; as it was for one that nobody knows."""
    if key not in keys:
        row = database.execute(
            "SELECT kind, spec FROM planned WHERE key = ?1 UNION ALL SELECT kind, spec FROM unit WHERE key = ?1", (key,)
        ).fetchone()
        keys[key] = _renewed(database, row[0], row[1], keys).key if row else key
    return keys[key]
