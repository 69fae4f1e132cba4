"""Reads a labels.csv: text of a bounded size, rows that each name their line, and no guess at what a cell may mean."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.datasets.annotations import Box
from harness.datasets.dataset import MOST_CLASSES
from harness.datasets.splits import KNOWN, split_of
from harness.datasets.text_tables import Table, read_table, read_text
from harness.errors import ConfigError, quoted, shown
from harness.regular_files import MIB

NEEDED = ("path", "class_index")
BOX = ("x_min", "y_min", "x_max", "y_max")
COLUMNS = (*NEEDED, "class_name", "split", *BOX)
MOST_BYTES = 64 * MIB  # about a million rows
MOST_NAME = 4096  # characters: what Linux takes for a path

_DECIMAL_COMMA = re.compile(r"\s*-?\d+,\d+\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One row. `where` begins a sentence about it; `split` and `box` are None where the row has none."""

    where: str
    name: str
    class_index: int
    class_name: str | None
    split: str | None
    box: Box | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """The rows of a labels.csv, which are checked as they are read, and what is to be said of it."""

    rows: Iterator[Label]
    has_splits: bool
    remarks: tuple[str, ...]


def read_labels(path: Path) -> LabelTable:
    """Raises ConfigError, with the line, for the first row that is not what it should be."""
    where = f'[dataset] path: "{path}"'
    read = read_text(path, where="[dataset] path", at_most=MOST_BYTES)
    table = read_table(read.text, needed=NEEDED, where=where)
    _check_columns(table.columns, where)
    unknown = [name for name in table.columns if name and name not in COLUMNS]
    said = f'columns of "{path.name}" that are not read: {quoted(unknown)}'
    remarks = (*read.remarks, *([said] if unknown else []))
    return LabelTable(rows=_labels(table, where), has_splits="split" in table.columns, remarks=remarks)


def _labels(table: Table, where: str) -> Iterator[Label]:
    for line, cells in table.rows:
        yield _label(cells, table, f"{where} line {line}")


def _check_columns(columns: list[str], where: str) -> None:
    twice = next((name for name, count in Counter(columns).items() if name and count > 1), None)
    if twice is not None:
        raise ConfigError(f"{where} line 1: expected every column once, got {shown(twice)} more than once")
    if not set(NEEDED) <= set(columns):
        got = shown(", ".join(columns)) if columns else "nothing"
        raise ConfigError(f"{where}: expected the columns path and class_index, got {got}")


def _label(cells: list[str], table: Table, where: str) -> Label:
    columns = table.columns
    if len(cells) > len(columns):
        raise ConfigError(
            f"{where}: expected {len(columns)} cells, as many as columns, got {len(cells)}",
            hint=f'a "{table.separator}" inside a cell needs quotes: "tabby{table.separator} tabby cat"',
        )
    row = dict(itertools.zip_longest(columns, cells, fillvalue=""))
    return Label(
        where=where,
        name=_name(row["path"], where),
        class_index=_class_index(row["class_index"], where),
        class_name=unicodedata.normalize("NFC", row.get("class_name", "").strip()) or None,
        split=_split(row["split"], where) if "split" in row else None,
        box=_box(row, where, separator=table.separator),
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
    text = re.sub(r"[.,]0$", "", cell.strip())  # 5.0 is what pandas makes of 5 beside empty cells
    if not text.isdecimal() or len(text) > len(str(MOST_CLASSES)) or int(text) >= MOST_CLASSES:
        raise ConfigError(f"{where}: expected an integer class_index from 0 to {MOST_CLASSES - 1:,}, got {shown(cell)}")
    return int(text)


def _split(cell: str, where: str) -> str:
    split = split_of(cell)
    if split is None:
        raise ConfigError(f"{where}: expected a split, got {shown(cell)}", hint=KNOWN)
    return split


def _box(row: dict[str, str], where: str, *, separator: str) -> Box | None:
    """The box of a row; none where the columns are missing or all four are empty."""
    cells = {name: row.get(name, "").strip() for name in BOX}
    if not any(cells.values()):
        return None
    try:
        return Box(**{name: _number(cell, separator) for name, cell in cells.items()})
    except ValueError:
        got = ", ".join(f"{name} {shown(cell, limit=20)}" for name, cell in cells.items())
        raise ConfigError(f"{where}: expected four numbers for a box, got {got}") from None


def _number(cell: str, separator: str) -> float:
    """Also with a decimal comma, between semicolons, as spreadsheets write it. Elsewhere 1,234 may be a thousand."""
    return float(cell.replace(",", ".") if separator == ";" and _DECIMAL_COMMA.fullmatch(cell) else cell)
