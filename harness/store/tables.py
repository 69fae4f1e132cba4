"""The tables of a run's database.

What could be wrong in a row is for its digest to say, so no row is refused by a CHECK: a damaged one must be readable.
"""

from __future__ import annotations

import sqlite3

SCHEMA_VERSION = 3

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tally (
    one INTEGER PRIMARY KEY, commits INTEGER NOT NULL, units TEXT NOT NULL, plan TEXT NOT NULL, meta TEXT NOT NULL
);
CREATE TABLE planned (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, spec TEXT NOT NULL, needs TEXT NOT NULL
);
CREATE TABLE unit (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, spec TEXT NOT NULL, needs TEXT NOT NULL, status TEXT NOT NULL,
    reason TEXT NOT NULL, result TEXT NOT NULL, finished_at TEXT NOT NULL, seconds REAL NOT NULL,
    rows TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT ''
);
CREATE TABLE prediction (
    unit TEXT NOT NULL REFERENCES unit, image TEXT NOT NULL, label INTEGER NOT NULL,
    ranked TEXT NOT NULL, scores TEXT NOT NULL, PRIMARY KEY (unit, image)
) WITHOUT ROWID;
CREATE TABLE score (
    unit TEXT NOT NULL REFERENCES unit, image TEXT NOT NULL, value REAL, reason TEXT NOT NULL, PRIMARY KEY (unit, image)
) WITHOUT ROWID;
"""
STATEMENTS = tuple(statement.strip() for statement in _TABLES.split(";") if statement.strip())
_OURS = "name NOT LIKE 'sqlite#_%' ESCAPE '#'"  # SQLite has tables and indexes of its own


def names_in(database: sqlite3.Connection) -> set[str]:
    """The tables that a database has, besides SQLite's own."""
    rows = database.execute(f"SELECT name FROM sqlite_master WHERE type = 'table' AND {_OURS}")
    return {name for (name,) in rows}


def statements_in(database: sqlite3.Connection) -> set[str]:
    """What made all that a database has: SQLite keeps the text. A view or a trigger would be one more."""
    rows = database.execute(f"SELECT sql FROM sqlite_master WHERE {_OURS}")
    return {statement for (statement,) in rows}
