"""What is done with a database that another version of bitlens wrote.

A newer schema is refused; an older one is brought to the present one when a run opens it, all of it or nothing, and
when it is only read, in a copy.

    3  2026-11-26  every unit carries a digest of its row and one of its predictions and scores; `tally` says what all
                   units, the plan and the facts about the run add up to
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
from harness.store import digests
from harness.store.folder import only_run_in, unreadable
from harness.store.tables import SCHEMA_VERSION, STATEMENTS, names_in, statements_in
from harness.store.units import Unit, canonical_json

PAGE = 500  # rows of an older schema that are read at once

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
_NONSENSE = (AttributeError, KeyError, TypeError, ValueError)  # what JSON that was altered leads to
# The columns that tables of schema 2 have, in the order of the present tables.
_COLUMNS_OF_2 = {
    "planned": "position, key, kind, spec, needs",
    "unit": "key, kind, spec, needs, status, reason, result, finished_at, seconds",
    "prediction": "unit, image, label, ranked, scores",
    "score": "unit, image, value, reason",
    "meta": "name, value",
}


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
                if version < 2:
                    _bring_from_1(database)
                if version < 3:
                    _bring_from_2(database)
                database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # SQLite has rolled back by itself when the disk is full
                database.execute("ROLLBACK")
            raise
    except sqlite3.OperationalError:  # locked, full, not writable: the disk's matter
        raise
    except (sqlite3.DatabaseError, *_NONSENSE) as error:
        raise unreadable(folder, f"is not a run's database, or a damaged one ({error})") from error
    return version


def schema_of(database: sqlite3.Connection, folder: Path) -> int:
    """The schema of a database that has tables; its tables are those of that schema. Raises UnreadableStore."""
    tables = names_in(database)
    row = "meta" in tables and database.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if not row or not str(row[0]).isdecimal() or int(row[0]) < 1:
        raise unreadable(folder, "is not a run's database: it names no schema")
    version = int(row[0])
    if version > SCHEMA_VERSION:
        what = f"was written by a newer bitlens: expected schema {SCHEMA_VERSION} or older, got {version}"
        raise unreadable(folder, what, hint="pip install --upgrade bitlens")
    if version == SCHEMA_VERSION and statements_in(database) != set(STATEMENTS):
        raise unreadable(folder, f"is damaged: its tables are not those of schema {version}")
    if version < SCHEMA_VERSION and "tally" in tables:
        raise unreadable(folder, f"is damaged: it has tables that schema {version} does not have")
    return version


@contextmanager
def _no_run_in(folder: Path) -> Iterator[None]:
    """Keep runs out: one of an older bitlens would write as if nothing had changed, and end with an error."""
    with ExitStack() as lock:
        try:
            lock.enter_context(only_run_in(folder))
        except ConfigError as error:
            what = "is of an older bitlens, and a run is working in it"
            raise unreadable(folder, what, hint="wait for that run") from error
        yield


def _version(database: sqlite3.Connection, folder: Path) -> int:
    if names_in(database):
        return schema_of(database, folder)
    for statement in STATEMENTS:
        database.execute(statement)
    database.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
    digests.count_all(database)
    return SCHEMA_VERSION


# ------------------------------------------------------------------------------------------------------- from schema 2
def _bring_from_2(database: sqlite3.Connection) -> None:
    """The same rows in the present tables, with digests."""
    for table in _COLUMNS_OF_2:
        database.execute(f"ALTER TABLE {table} RENAME TO {table}_of_2")
    for statement in STATEMENTS:
        database.execute(statement)
    for table, columns in _COLUMNS_OF_2.items():
        database.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_of_2")
    for table in reversed(_COLUMNS_OF_2):
        database.execute(f"DROP TABLE {table}_of_2")
    database.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(SCHEMA_VERSION),))
    for (key,) in database.execute("SELECT key FROM unit").fetchall():
        digests.seal(database, key)
    digests.count_all(database)


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
