"""Columns of text, aligned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

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
