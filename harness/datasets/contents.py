"""What the files of a data set hold: the SHA-256 of each, and of a picture what its header says.

Reading all of a large data set takes minutes, so what was found is kept in the user's cache folder. A file's size,
times and inode decide whether to read it again, and nothing else: its time of change (ctime) cannot be set back as its
time of modification can. A file that changed within the last seconds is not remembered, because it may change again
unseen within one tick of the file system's clock. A cache that is missing, damaged or cannot be written costs time
only.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import PIL

from harness.datasets.pictures import MOST_BYTES, inspect_picture
from harness.errors import ConfigError
from harness.regular_files import open_regular
from harness.store.atomic_files import write_atomically

WHERE = "[dataset] path"
SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system in use, FAT's, ticks every two seconds
_FORMAT = f"bitlens contents 1, Pillow {PIL.__version__}"  # what is found depends on both


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file holds. `traits` are those of a picture; `problem` says why it is none, and is "" otherwise."""

    sha256: str
    traits: tuple[str, ...] = ()
    problem: str = ""


class Contents:
    """The files of one data set by their names, relative to its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache = cache_file(folder)
        self._remembered = _load(self._cache)
        self._used: dict[str, str] = {}

    def of(self, name: str, *, is_picture: bool = True) -> Content:
        """Raises ConfigError for a file that cannot be read."""
        row = self._remembered.get(name)
        if row is None or not row.startswith(_stamp_of(f"{self._folder}/{name}")):
            row, is_settled = _read(self._folder, name, is_picture=is_picture)
            if not is_settled:
                return _parsed(row)
        self._used[name] = row
        return _parsed(row)

    def remember(self) -> None:
        """Keep what was found, and forget files that were not asked for."""
        if self._cache is not None and self._used and self._used != self._remembered:
            with suppress(OSError):
                write_atomically(self._cache, _written(self._used))


def cache_file(folder: Path) -> Path | None:
    """Where the contents of a data set are kept; None where nobody knows a home."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()
    return base / "bitlens" / "contents" / f"{name[:32]}.json"


def _read(folder: Path, name: str, *, is_picture: bool) -> tuple[str, bool]:
    """The row of a file, and whether it may be remembered: a text takes a quarter of the memory of what it says."""
    path, began = folder / name, time.time_ns()
    with open_regular(path, where=WHERE, at_most=MOST_BYTES) as file:
        before = os.fstat(file.fileno())
        try:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ConfigError(f'{WHERE}: "{path}" could not be read ({error.strerror or error})') from error
        traits, problem = _inspected(file, name) if is_picture else ((), "")
        is_settled = before.st_ctime_ns < began - SETTLED_NS and _stamp(before) == _stamp(os.fstat(file.fileno()))
    return f"{_stamp(before)}{sha256} {','.join(traits)} {problem}", is_settled


def _parsed(row: str) -> Content:
    *_, sha256, traits, problem = row.split(" ", 6)
    return Content(sha256=sha256, traits=tuple(traits.split(",")) if traits else (), problem=problem)


def _stamp_of(path: str) -> str:
    try:
        return _stamp(os.stat(path))
    except OSError:
        return "nothing "


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino} "


def _inspected(file: BinaryIO, name: str) -> tuple[tuple[str, ...], str]:
    """The traits of a picture, or why it is none."""
    file.seek(0)
    try:
        return inspect_picture(file, name=name, where=WHERE), ""
    except ConfigError as error:
        return (), str(error).splitlines()[0].removeprefix(f"{WHERE}: ")


def _written(rows: dict[str, str]) -> bytes:
    """A line with the format and the hash of the rest, then the rest."""
    rest = json.dumps(rows).encode()
    return f"{_FORMAT} {hashlib.sha256(rest).hexdigest()}\n".encode() + rest


def _load(path: Path | None) -> dict[str, str]:
    """What is remembered, as it was written; nothing where any byte of it is another."""
    try:
        head, _, rest = (path.read_bytes() if path is not None else b"").partition(b"\n")
    except OSError:
        return {}
    if head != f"{_FORMAT} {hashlib.sha256(rest).hexdigest()}".encode():
        return {}
    rows: dict[str, str] = json.loads(rest)
    return rows
