"""What a model file is, by its first bytes, and a copy of it that nobody else can change.

The container is decided once, here, and what is loaded is made from what was examined. So a file that is two things at
once is read as the one that its first bytes say, by the examination and by Keras alike.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.models.refusals import Unreadable, words

ZIP, HDF5, SAVED_MODEL, UNPACKED, TFLITE = "zip", "HDF5", "SavedModel", "folder", "TFLite"
CONFIG, METADATA, WEIGHTS, PICKLES = "config.json", "metadata.json", "model.weights.h5", "model.weights.npz"
GRAPH, LAYERS, VARIABLES = "saved_model.pb", "keras_metadata.pb", "variables"

MOST_ENTRIES = 1000  # of a zip file or a folder; Keras writes three
MOST_TEXT = 16 * 2**20  # bytes of a description
# Each with the byte where it begins.
_MARKS = ((0, b"PK\x03\x04", ZIP), (0, b"\x89HDF\r\n\x1a\n", HDF5), (4, b"TFL3", TFLITE))
_BLOCK = 2**20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def most_bytes(size: int) -> int:
    """How large what a file of this size unpacks to may be.

    Keras packs nothing. Who packs again gains a factor of 32 where each number of 32 bits is a sign, and little else.
    """
    return max(16 * 2**20, min(32 * size, 512 * 2**20), 4 * size)


def container_of(path: Path) -> str | None:
    """What a file or folder is; None for no model. Raises Unreadable for a pipe or device, and for two at once."""
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        kinds = [kind for name, kind in ((CONFIG, UNPACKED), (GRAPH, SAVED_MODEL)) if (path / name).exists()]
        if len(kinds) > 1:
            raise Unreadable(f"the folder is two models at once, of {CONFIG} and of {GRAPH}")
        return kinds[0] if kinds else None
    with opened(path) as file:
        beginning = file.read(8)
    return next((container for at, mark, container in _MARKS if beginning[at:].startswith(mark)), None)


@contextmanager
def opened(path: Path, *, within: Path | None = None) -> Iterator[IO[bytes]]:
    """A regular file; one `within` a folder may not be a link. Raises Unreadable for pipes, devices and the like."""
    flags = os.O_RDONLY | os.O_NONBLOCK | (os.O_NOFOLLOW if within else 0)  # opening a pipe would wait for a writer
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if within and path.is_symlink():
            raise Unreadable(f'"{words(path.relative_to(within))}" is a link') from None
        raise Unreadable(error.strerror or "it could not be opened") from None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("it is neither a file nor a folder")
        yield file


def size_of(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def copy(source: IO[bytes], target: Path, *, most: int) -> int:
    """Write what `source` gives to a new file; its bytes are counted as they come. Raises Unreadable past `most`."""
    written = 0
    with target.open("xb") as file:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > most:
                raise Unreadable(f"it unpacks to more than {most >> 20} MiB")
            file.write(block)
    return written


class Parts:
    """The named parts of a zip file or of the same as a folder, each read within bounds."""

    def __init__(self, path: Path, container: str, stack: Any) -> None:
        if container == UNPACKED:
            self._source: _Folder | _Archive = _Folder(path)
        else:
            self._source = _Archive(stack.enter_context(opened(path)), stack)
        self.names = self._source.names()
        self.most = most_bytes(self._source.size)

    def text(self, name: str) -> bytes:
        """Raises Unreadable for a part that is missing or too long."""
        if name not in self.names:
            raise Unreadable(f"it has no {name}")
        with self._source.open(name) as part:
            content: bytes = part.read(MOST_TEXT + 1)
        if len(content) > MOST_TEXT:
            raise Unreadable(f"its {name} has more than {MOST_TEXT >> 20} MiB")
        return content

    def copy(self, name: str, target: Path) -> None:
        with self._source.open(name) as part:
            copy(part, target, most=self.most)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        entries = list(os.scandir(path))
        self.size = sum(entry.stat(follow_symlinks=False).st_size for entry in entries)

    def names(self) -> set[str]:
        return {entry.name for entry in os.scandir(self._path)}

    def open(self, name: str) -> Any:
        return opened(self._path / name, within=self._path)


class _Archive:
    def __init__(self, file: IO[bytes], stack: Any) -> None:
        self.size = size_of(file)
        self._archive = stack.enter_context(zipfile.ZipFile(file))

    def names(self) -> set[str]:
        """Raises Unreadable for entries that an honest packer does not write."""
        entries = self._archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise Unreadable(f"it has {len(entries)} entries, more than {MOST_ENTRIES}")
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise Unreadable("it has two entries of one name")
        for entry in entries:
            _check_entry(entry)
        return set(names)

    def open(self, name: str) -> Any:
        return self._archive.open(name)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise Unreadable(f'its entry "{words(name)}" leads out of the archive')
    if entry.create_system == 3 and stat.S_ISLNK(entry.external_attr >> 16):
        raise Unreadable(f'its entry "{words(name)}" is a link')
    if entry.compress_type not in _COMPRESSIONS:
        raise Unreadable(f'its entry "{words(name)}" is compressed in an unusual way')
