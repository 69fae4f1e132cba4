"""Digests of what a database holds, so that bytes which change on a disk are noticed and not reported as results.

SQLite notices pages that make no sense, and says nothing of a number that became another. So a unit's row carries a
digest of itself and one of its predictions and scores, and the one row of `tally` says what belongs to the run:

    commits  how many transactions there were; the file `store.commits` beside the database says so too
    units    the sum of the digests of all units: a unit that is gone leaves a sum that is wrong
    plan     a digest of the plan's keys in their order; a key is itself the hash of the rest of its row
    meta     a digest of the facts about the run

Decision 4. Texts are read as bytes: a damaged one need not be UTF-8.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

DIGEST_BYTES = 16  # against accidents; who can write a database can write its digests as well
ALL = 1 << 8 * DIGEST_BYTES
UNIT_COLUMNS = "key, kind, spec, needs, status, reason, result, finished_at, seconds, rows"


@contextmanager
def texts_as_bytes(database: sqlite3.Connection) -> Iterator[None]:
    before, database.text_factory = database.text_factory, bytes
    try:
        yield
    finally:
        database.text_factory = before


def digest(value: Any) -> str:
    """Of what SQLite returned: numbers, bytes and None, in tuples and lists."""
    return hashlib.blake2b(repr(value).encode(), digest_size=DIGEST_BYTES).hexdigest()


def seal(database: sqlite3.Connection, key: str) -> None:
    """Write the digests of a unit that was just inserted with all its rows: of what SQLite now returns of it."""
    with texts_as_bytes(database):
        rows = rows_digest(database, key)
        database.execute("UPDATE unit SET rows = ? WHERE key = ?", (rows, key))
        (row,) = database.execute(f"SELECT {UNIT_COLUMNS} FROM unit WHERE key = ?", (key,))
    database.execute("UPDATE unit SET digest = ? WHERE key = ?", (digest(row), key))


def rows_digest(database: sqlite3.Connection, key: str) -> str:
    """Of a unit's predictions and scores; empty where it has none. Texts must come as bytes."""
    rows = [
        database.execute(f"SELECT * FROM {table} WHERE unit = ? ORDER BY image", (key,)).fetchall()
        for table in ("prediction", "score")
    ]
    return digest(rows) if any(rows) else ""


def count_all(database: sqlite3.Connection, *, commits: int = 0) -> None:
    """Write the tally of what the database holds, as it is now, after so many commits."""
    row = (commits, units_digest(database), plan_digest(database), meta_digest(database))
    database.execute("DELETE FROM tally")
    database.execute("INSERT INTO tally VALUES (1, ?, ?, ?, ?)", row)


def units_digest(database: sqlite3.Connection) -> str:
    return summed(digest for (digest,) in database.execute("SELECT digest FROM unit"))


def plan_digest(database: sqlite3.Connection) -> str:
    """Of the keys alone: what else is in a row of the plan, its key tells."""
    keys = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with texts_as_bytes(database):
        for (key,) in database.execute("SELECT key FROM planned ORDER BY position"):
            keys.update(repr(key).encode())
    return keys.hexdigest()


def meta_digest(database: sqlite3.Connection) -> str:
    with texts_as_bytes(database):
        return digest(database.execute("SELECT name, value FROM meta ORDER BY name").fetchall())


def count_on_from(database: sqlite3.Connection, commits: int) -> None:
    """Have the next commit counted as one more than these, if fewer are known."""
    with texts_as_bytes(database):
        known = database.execute("SELECT commits FROM tally").fetchone()
    if known is None:
        database.execute("INSERT INTO tally VALUES (1, ?, '', '', '')", (commits,))
    elif not isinstance(known[0], int) or known[0] < commits:
        database.execute("UPDATE tally SET commits = ?", (commits,))


def add_unit(database: sqlite3.Connection, key: str) -> None:
    """Count one more unit, which was just sealed."""
    (before,) = database.execute("SELECT units FROM tally").fetchone()
    (own,) = database.execute("SELECT digest FROM unit WHERE key = ?", (key,)).fetchone()
    database.execute("UPDATE tally SET units = ?", (summed([before, own]),))


def summed(digests: Iterable[str]) -> str:
    """The same whatever the order, and quickly changed by one more. Raises ValueError for what is not a digest."""
    total = sum(int(digest, 16) if digest else 0 for digest in digests) % ALL
    return f"{total:0{2 * DIGEST_BYTES}x}"
