"""Text as spreadsheets and editors write it: its encoding, and what separates its cells, told from the file itself."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, shown
from harness.regular_files import read_regular

SEPARATORS = (",", ";", "\t", "|")
_MARKS = (  # the longer ones first: UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The text of a file, and what is to be said of how it was read."""

    text: str
    remarks: tuple[str, ...] = ()


def read_text(path: Path, *, where: str, at_most: int) -> Text:
    """The text of a file in UTF-8, in UTF-16 or UTF-32 with a byte order mark, or else in Windows-1252.

    Windows-1252 cannot be told from its like, so it is said, with the first line that shows whether it is right.
    Raises ConfigError that begins with `where`.
    """
    content = read_regular(path, where=where, at_most=at_most)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        read = Text(text=content.decode(encoding))
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise ConfigError(
                f'{where}: "{path}" is not the {encoding.upper()} text that its first bytes say',
                hint="save it as UTF-8",
            ) from error
        read = _windows_text(content, path, where)
    if "\0" in read.text:
        line = read.text.count("\n", 0, read.text.index("\0")) + 1
        raise ConfigError(f'{where}: "{path}" line {line}: expected text, got a NUL byte', hint="save it as UTF-8")
    return read


def _windows_text(content: bytes, path: Path, where: str) -> Text:
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f'{where}: "{path}" line {line}: expected text in UTF-8, UTF-16 or Windows-1252 '
            f"(byte 0x{content[error.start]:02X})",
            hint="save it as UTF-8",
        ) from error
    number, line_text = next((n, t) for n, t in enumerate(text.splitlines(), start=1) if not t.isascii())
    remark = f'"{path.name}" is not UTF-8 and was read as Windows-1252: its line {number} is {shown(line_text)}'
    return Text(text=text, remarks=(remark,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows below a head of columns, whose names are in lower case, with "_" for spaces and hyphens.

    rows  each with its line; empty ones are left out, and so are empty cells at the end of one.
    """

    columns: list[str]
    separator: str
    rows: Iterator[tuple[int, list[str]]]


def read_table(text: str, *, needed: Sequence[str], where: str) -> Table:
    """The table of a text whose cells are separated by whatever its head has between the columns that are needed.

    Raises ConfigError that begins with `where`, also while the rows are read.
    """
    named = re.match(r'"?sep=([,;|\t])"?\r?\n', text)  # as Excel writes it
    separator = named[1] if named else _separator_of(text, needed)
    rows = _rows(text, separator, where)
    if named:
        next(rows, None)
    _, head = next(rows, (1, []))
    return Table(columns=[_column(cell) for cell in head], separator=separator, rows=rows)


def _separator_of(text: str, needed: Sequence[str]) -> str:
    """A comma where none gives the columns: what is there is shown then as it stands."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    fits = (each for each in SEPARATORS if set(needed) <= {_column(cell.strip('" ')) for cell in head.split(each)})
    return next(fits, ",")


def _rows(text: str, separator: str, where: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ConfigError(
            f'{where} line {reader.line_num}: expected values separated by "{separator}" ({error})',
            hint='a quote that begins a cell has to end it: "tabby, cat"',
        ) from error


def _column(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().casefold())
