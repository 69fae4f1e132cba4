"""The list that says which class is which: a file of names, one a line, in the order of the model's outputs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.dataset import MOST_CLASSES
from harness.datasets.text_tables import read_text
from harness.errors import ConfigError, quoted, shown
from harness.regular_files import MIB

FILES = ("classes.txt", "class_names.txt", "labels.txt")  # one of them in the data set's folder, in any case
MOST_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassList:
    """All classes in their order. `where` begins a sentence about the list."""

    names: tuple[str, ...]
    where: str
    remarks: tuple[str, ...]


def find_list(folder: Path, files: Sequence[str]) -> Path | None:
    """The list of classes among the names of a folder's files. Raises ConfigError for several."""
    found = sorted(name for name in files if name.casefold() in FILES)
    if len(found) > 1:
        raise ConfigError(
            f'[dataset] path: "{folder}" has {" and ".join(found)}: expected one list of classes',
            hint='`classes = "FILE"` in [dataset] says which',
        )
    return folder / found[0] if found else None


def read_list(path: Path, *, where: str) -> ClassList:
    """The names of a file. Raises ConfigError, which begins with `where`, for names that are empty or not unique."""
    read = read_text(path, where=where, at_most=MOST_BYTES)
    text = unicodedata.normalize("NFC", read.text)  # as the names of folders: macOS writes letters in parts
    names = [line.strip() for line in re.split(r"\r\n|\r|\n", text.rstrip())]
    where = f'{where}: "{path}"'
    if not 1 <= len(names) <= MOST_CLASSES:
        raise ConfigError(f"{where}: expected 1 to {MOST_CLASSES:,} classes, one a line, got {len(names):,}")
    if "" in names:
        raise ConfigError(f"{where} line {names.index('') + 1}: expected the name of a class, got an empty line")
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ConfigError(f"{where}: expected every class once, got {shown(twice)} more than once")
    return ClassList(names=tuple(names), where=where, remarks=read.remarks)


def folders_in_order(folders: Sequence[str], *, where: str) -> tuple[str, ...]:
    """The names of class folders as Keras and torchvision sort them: as text, by code point.

    Raises ConfigError for numbers whose order that is not: whoever made them may have meant either.
    """
    as_text = sorted(folders)
    if all(re.fullmatch("[0-9]+", name) for name in as_text) and as_text != sorted(as_text, key=int):
        after = next(a for a, b in zip(as_text, sorted(as_text, key=int)) if a != b)
        raise ConfigError(
            f"{where}: the class folders are numbers in two orders: as text, as Keras and torchvision sort them, "
            f"{shown(after)} is class {as_text.index(after)}; as numbers it is class "
            f"{sorted(as_text, key=int).index(after)}",
            hint="a classes.txt in the data set's folder with the order that the model was trained with, one name a "
            "line: `ls FOLDER | LC_ALL=C sort` lists them as text, `ls FOLDER | sort -n` as numbers",
        )
    return tuple(as_text)


def remarks_on_order(names: Sequence[str]) -> list[str]:
    """What is said of an order that a person would not expect of these class folders."""
    if all(re.fullmatch("[0-9]+", name) for name in names):
        if [int(name) for name in names] != list(range(len(names))):
            return [
                f"the class folders {quoted(names)} are numbers and count as classes 0 to {len(names) - 1} in this "
                "order; a classes.txt or a labels.csv says otherwise"
            ]
        return []
    if list(names) != sorted(names, key=_natural):
        return [
            f"the class folders count in the order of their text, as Keras and torchvision take it: {quoted(names)}"
        ]
    return []


def remarks_on_indices(used: set[int]) -> list[str]:
    """Indices may count from 1: only the model's outputs can tell, unless class 0 simply has no image."""
    if len(used) > 1 and used == set(range(1, len(used) + 1)):
        return [f"the classes are 1 to {len(used)}, class 0 has no image: bitlens counts classes from 0"]
    return []


def _natural(name: str) -> list[int | str]:
    """By which class2 comes before class10: text and numbers take turns."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", name))]
