"""Reads named files of a tar archive from a stranger, gzipped or not, in one pass; nothing is unpacked to the disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from gzip import GzipFile
from typing import BinaryIO

from harness.datasets.broken_archives import reading_archive
from harness.regular_files import MIB

MOST_UNPACKED = 512 * MIB  # CIFAR-10 has 178
MOST_FILES = 100  # CIFAR-10 has 8
GZIP = b"\x1f\x8b"

# what tarfile and zlib raise on broken archives
BROKEN = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    tarfile.TarError,
    zlib.error,
)


class _AtMost:
    """A stream that ends with a ValueError after so many bytes: what is compressed has no other end."""

    def __init__(self, file: BinaryIO | GzipFile, most: int) -> None:
        self._file, self._left = file, most

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {MOST_UNPACKED // MIB} MiB")
        return content


reading = partial(reading_archive, broken=BROKEN)


def files_in(file: BinaryIO, wanted: Callable[[str], bool], *, at_most: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each wanted file, in the order of the archive. Raises one of BROKEN.

    at_most  bytes of one file.
    """
    is_compressed = file.read(2) == GZIP
    file.seek(0)
    stream = _AtMost(GzipFile(fileobj=file) if is_compressed else file, MOST_UNPACKED)
    # a stream is never read backwards, so no header can send the reader round in a ring
    with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
        for count, member in enumerate(archive):
            archive.members = []  # tarfile keeps a record of each
            if count == MOST_FILES:
                raise ValueError(f"it holds more than {MOST_FILES} files")
            if not wanted(member.name):
                continue
            if not member.isreg() or member.issparse():
                raise ValueError(f"{member.name} is not a plain file")
            if member.size > at_most:
                raise ValueError(f"{member.name} has {member.size:,} bytes, {at_most:,} at most are read")
            content = archive.extractfile(member)
            read = content.read() if content else b""
            if len(read) != member.size:
                raise ValueError(f"{member.name} ends after {len(read):,} of {member.size:,} bytes")
            yield member.name, read
