"""What of a run is damaged: rows whose digests do not fit, rows that are gone, and blobs that are not what they were.

Whoever works on a run or reports it asks once, before anything is counted or shown.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BitlensError
from harness.store import digests
from harness.store.blobs import Blobs, Seen

AGAIN = "the command of the run, which does again what is damaged"


class DamagedRun(BitlensError):
    """A run whose content is damaged so that nothing can be said of it, or that was reported with gaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """units  why a unit's stored result cannot be used, by its key.
    blobs  what is wrong with a blob, by its SHA-256.
    of     the units that made each damaged blob, by its SHA-256.
    run    sentences about the run as a whole.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, str] = field(default_factory=dict)
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    run: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.units or self.blobs or self.run)

    @property
    def keys(self) -> set[str]:
        """The units that must be done again."""
        return {*self.units, *(key for keys in self.of.values() for key in keys)}


def find_damage(database: sqlite3.Connection, folder: Path, blobs: Blobs, seen: Seen | None = None) -> Damage:
    """All that is wrong. Reads every row and every blob once; DamagedRun is raised for a plan that cannot be trusted.

    seen  blobs that were intact when they were last read.
    """
    with digests.texts_as_bytes(database):
        counted, plan = database.execute("SELECT units, plan FROM tally").fetchone() or (b"", b"")
        if not _is_plan_sound(database, _text(plan)):
            raise DamagedRun(f'run folder "{folder}": the plan in its database is damaged', hint=AGAIN)
        units, makers = _check_units(database)
    found = blobs.damaged_blobs(makers, seen)
    is_whole = units or _text(counted) == digests.units_digest(database)
    return Damage(
        units=units,
        blobs=found,
        of={sha256: tuple(makers[sha256]) for sha256 in found},
        run=() if is_whole else ("units are missing in the database",),
    )


def _is_plan_sound(database: sqlite3.Connection, expected: Any) -> bool:
    rows = database.execute("SELECT key, kind, spec, needs FROM planned")
    return digests.plan_digest(database) == expected and all(
        isinstance(key, bytes) and key.decode(errors="replace") == _key_of(*parts) for key, *parts in rows
    )


def _key_of(kind: Any, spec: Any, needs: Any) -> str:
    """`Unit.key`, of the texts that are stored."""
    if not all(isinstance(part, bytes) for part in (kind, spec, needs)):
        return ""
    name = json.dumps(kind.decode(errors="replace"), ensure_ascii=False).encode()
    return hashlib.sha256(b"[" + b",".join((name, spec, needs)) + b"]").hexdigest()


def _check_units(database: sqlite3.Connection) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Why units are damaged, by key; and of the others, which blobs they made, with their keys."""
    damaged: dict[str, str] = {}
    makers: dict[str, list[str]] = {}
    for *row, expected in database.execute(f"SELECT {digests.UNIT_COLUMNS}, digest FROM unit"):
        key = _text(row[0])
        if digests.digest(tuple(row)).encode() != expected:
            damaged[key] = "its row in the database is altered"
        elif digests.rows_digest(database, key).encode() != row[9]:
            damaged[key] = "its predictions or scores in the database are altered"
        else:
            for sha256 in _blobs_in(row[6]):
                makers.setdefault(sha256, []).append(key)
    return damaged, makers


def _blobs_in(result: bytes) -> Iterator[str]:
    if b'blob"' in result:  # most units have none, and curves take a while to read
        for name, value in json.loads(result).items():
            if name.endswith("blob") and value:
                yield str(value)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
