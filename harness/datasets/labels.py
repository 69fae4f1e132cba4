"""Reads a labels.csv: text of a bounded size, rows that each name their line, and no guess at what a cell may mean."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.datasets.annotations import Box
from harness.datasets.dataset import MOST_CLASSES
from harness.errors import ConfigError, shown
from harness.regular_files import MIB, read_text

NEEDED = ("path", "class_index")
BOX = ("x_min", "y_min", "x_max", "y_max")
MOST_BYTES = 64 * MIB  # about a million rows
MOST_NAME = 4096  # characters: what Linux takes for a path


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One row. `where` begins a sentence about it; `box` is None where the row has none."""

    where: str
    name: str
    class_index: int
    class_name: str
    box: Box | None


def read_labels(path: Path) -> Iterator[Label]:
    """The rows of a labels.csv. Raises ConfigError, with the line, for the first that is not what it should be."""
    where = f'[dataset] path: "{path}"'
    text = read_text(path, where="[dataset] path", at_most=MOST_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = _columns(next(reader, []), where)
        for cells in reader:
            if cells:  # an empty line is no row
                yield _label(cells, columns, f"{where} line {reader.line_num}")
    except csv.Error as error:
        raise ConfigError(
            f"{where} line {reader.line_num}: expected comma-separated values ({error})",
            hint='a quote that begins a cell has to end it: "tabby, cat"',
        ) from error


def _columns(head: list[str], where: str) -> list[str]:
    columns = [name.strip() for name in head]
    twice = next((name for name, count in Counter(columns).items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"{where} line 1: expected every column once, got {shown(twice)} more than once")
    if not set(NEEDED) <= set(columns):
        got = shown(", ".join(columns)) if columns else "nothing"
        raise ConfigError(f"{where}: expected the columns path and class_index, got {got}")
    return columns


def _label(cells: list[str], columns: list[str], where: str) -> Label:
    if len(cells) > len(columns):
        raise ConfigError(
            f"{where}: expected {len(columns)} cells, as many as columns, got {len(cells)}",
            hint='a comma inside a cell needs quotes: "tabby, tabby cat"',
        )
    row = dict(itertools.zip_longest(columns, cells, fillvalue=""))
    return Label(
        where=where,
        name=_name(row["path"], where),
        class_index=_class_index(row["class_index"], where),
        class_name=row.get("class_name") or row["class_index"].strip(),
        box=_box(row, where),
    )


def _name(name: str, where: str) -> str:
    """A path relative to the folder, which it cannot leave."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or len(name) > MOST_NAME:
        raise ConfigError(
            f"{where}: expected a path inside the data set's folder, got {shown(name)}",
            hint="a path from the folder of labels.csv on, such as images/1.jpg",
        )
    return name


def _class_index(cell: str, where: str) -> int:
    text = cell.strip()
    if not text.isdecimal() or len(text) > len(str(MOST_CLASSES)) or int(text) >= MOST_CLASSES:
        raise ConfigError(f"{where}: expected an integer class_index from 0 to {MOST_CLASSES - 1:,}, got {shown(cell)}")
    return int(text)


def _box(row: dict[str, str], where: str) -> Box | None:
    """The box of a row; none where the columns are missing or all four are empty."""
    cells = {name: row.get(name, "").strip() for name in BOX}
    if not any(cells.values()):
        return None
    try:
        return Box(**{name: float(cell) for name, cell in cells.items()})
    except ValueError:
        got = ", ".join(f"{name} {shown(cell, limit=20)}" for name, cell in cells.items())
        raise ConfigError(f"{where}: expected four numbers for a box, got {got}") from None
