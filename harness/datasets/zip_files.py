"""Opens zip archives from strangers: how much they hold is known before anything is unpacked, and it is checked."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections import Counter
from functools import partial
from typing import BinaryIO

from harness.datasets.broken_archives import reading_archive
from harness.regular_files import MIB

MOST_LISTED = 16 * MIB  # bytes of the archive's own list: some 200,000 files
METHODS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}  # what a byte becomes at most; others know no bound
_END, _END_BYTES, _COMMENT_BYTES = b"PK\x05\x06", 22, 2**16  # of the list; a comment may follow
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20  # before it: where a larger list stands, as zipfile believes

# what zipfile and zlib raise on broken or encrypted archives
BROKEN = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
reading = partial(reading_archive, broken=BROKEN)


def archive_in(file: BinaryIO) -> zipfile.ZipFile:
    """The archive of an open file, with its list read and checked."""
    _check_list(file)
    archive = zipfile.ZipFile(file)
    _check_names(archive)
    return archive


def check_bytes(entry: zipfile.ZipInfo, *, at_most: int) -> None:
    """Raises ValueError for a file of an archive that unpacks to more than `at_most`, or than its bytes can hold."""
    if entry.compress_type not in METHODS:
        raise ValueError(f"{entry.filename} is compressed in a way that is not deflate")
    if entry.file_size > at_most:
        raise ValueError(f"{entry.filename} unpacks to {entry.file_size:,} bytes, {at_most:,} at most are read")
    if entry.file_size > METHODS[entry.compress_type] * entry.compress_size + 1:
        raise ValueError(f"{entry.filename} says {entry.file_size:,} bytes, more than its part of the file can hold")


def _check_list(file: BinaryIO) -> None:
    """zipfile reads the whole list into memory, of as many files as there are."""
    length = file.seek(0, 2)
    file.seek(max(0, length - _END_BYTES - _COMMENT_BYTES))
    tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + _END_BYTES:
        raise zipfile.BadZipFile("no list of files at its end")
    if tail[max(0, end - _LOCATOR_BYTES) : end].startswith(_LOCATOR):
        raise zipfile.BadZipFile("its list is one of zip64, for more than 65,535 files")
    listed = int.from_bytes(tail[end + 12 : end + 16], "little")
    if listed > MOST_LISTED:
        raise zipfile.BadZipFile(f"its list of files has more than {MOST_LISTED // MIB} MiB")
    file.seek(0)


def _check_names(archive: zipfile.ZipFile) -> None:
    names = Counter(archive.namelist())
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise zipfile.BadZipFile(f"it holds {twice} more than once")
