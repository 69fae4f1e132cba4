"""Tables for people, and rows of what exists as a table or as JSON."""

from __future__ import annotations

import json
from typing import Any

from reports.data.aligned import aligned

Rows = list[dict[str, Any]]


def milliseconds(nanoseconds: float) -> str:
    """What took less than ten microseconds in two digits that count, and so never as zero."""
    return f"{nanoseconds / 1e6:.3f} ms" if nanoseconds >= 10_000 or not nanoseconds else f"{nanoseconds / 1e6:.2g} ms"


def size(count: float) -> str:
    """Bytes in the unit that a person would use: "0 B", "3.2 MB", "1.5 GB"."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count:.0f} B"


def as_json(rows: Rows) -> str:
    return json.dumps(rows, indent=2)


def as_table(rows: Rows) -> str:
    """A column for each name; an empty cell where there is nothing to say."""
    return aligned(list(rows[0]), ([_text(value) for value in row.values()] for row in rows))


def _text(value: Any) -> str:
    """A cell. A row's own yes or no is one, that of a parameter is written as in an experiment file."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, dict):
        return " ".join(f"{key}={_value(entry['default'])}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
