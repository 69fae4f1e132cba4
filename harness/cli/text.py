"""Tables for people, and rows of what exists as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

Rows = list[dict[str, Any]]
ANY_WIDTH = 100_000  # characters: a line is never wrapped or cut, so that `grep` and `cut` see all of it


def aligned(head: Sequence[str], lines: Iterable[Sequence[str]], *, numbers: Collection[str] = ()) -> str:
    """Columns with two spaces between them, whatever the terminal's width; those of `numbers` end at the same place."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(name, justify="right" if name in numbers else "left")
    for line in lines:
        table.add_row(*line)
    console = Console(width=ANY_WIDTH, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def milliseconds(nanoseconds: float) -> str:
    """What took less than ten microseconds in two digits that count, and so never as zero."""
    return f"{nanoseconds / 1e6:.3f} ms" if nanoseconds >= 10_000 or not nanoseconds else f"{nanoseconds / 1e6:.2g} ms"


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
