"""What deployments are called beside others: no longer than it takes to tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

from reports.sections.compromise import Row


def row_names(rows: Sequence[Row]) -> list[str]:
    """Model and format, and whatever else tells a deployment from others of these on the same device."""
    return ["".join(_parts(row, [other for other in rows if _same(row, other)])) for row in rows]


def threads_text(num_threads: int | None) -> str:
    """ ", 2 threads", or nothing where no runtime was involved."""
    return f", {num_threads} thread{'' if num_threads == 1 else 's'}" if num_threads else ""


def _same(row: Row, other: Row) -> bool:
    return all(row[name] == other[name] for name in ("device", "model", "format"))


def _parts(row: Row, rows: Sequence[Row]) -> list[str]:
    parts = [f"{row['model']} {row['format']}"]
    if len({other["num_threads"] for other in rows}) > 1:
        parts.append(threads_text(row["num_threads"]))
    return parts + [f", {row[name]}" for name in ("runtime", "mode") if len({other[name] for other in rows}) > 1]
