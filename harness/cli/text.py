"""Rows of what exists, as a table for people or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


Rows = list[dict[str, Any]]


def as_json(rows: Rows) -> str:
    return json.dumps(rows, indent=2)


def as_table(rows: Rows) -> str:
    """Columns aligned with spaces; an empty cell where there is nothing to say."""
    columns = list(rows[0])
    cells = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in [columns, *cells]]
    return "\n".join(lines)


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
