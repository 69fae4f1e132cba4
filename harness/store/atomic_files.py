"""Writing files so that nobody ever meets half of one: not a reader, not a kill, not a power cut.

A file is written beside its place under a name of its own, flushed and renamed. While it is written its lock is held,
and the kernel lets go of that when the process ends, however it ends: so what a killed process left behind is told from
what a living one is writing, and is removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PART = ".part-"  # what the names of files begin with that are being written


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write a file, and the folder that it lies in. Raises OSError, and leaves the old file then."""
    write_together({path: content})
    return path


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files: none of them is replaced before all of them are on the disk."""
    with ExitStack() as parts:
        written = [(parts.enter_context(_part(path.parent, content)), path) for path, content in contents.items()]
        for part, path in written:
            os.replace(part, path)


def try_writing(folder: Path) -> None:
    """Make the folder, if need be, and write a page into it, which is removed. Raises OSError."""
    with _part(folder, bytes(4096)):
        pass


def remove_parts(folder: Path) -> None:
    """Remove what processes that were killed left half-written in this folder."""
    with suppress(OSError):  # a folder that is not there, or not ours to tidy, holds up nobody
        for part in folder.glob(f"{PART}*"):
            with suppress(OSError):  # it is being written, or another process removes it too
                descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()
                finally:
                    os.close(descriptor)


@contextmanager
def _part(folder: Path, content: str | bytes) -> Iterator[Path]:
    """A file of this content, on the disk; it is gone afterwards unless it was renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    path, descriptor = _new_part(folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode(errors="replace") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
            yield path
    finally:
        path.unlink(missing_ok=True)


def _new_part(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f"{PART}{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # less what the umask takes
        with suppress(OSError):  # a file system without locks: nobody can remove the file then either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # it was taken for a left one in the moment before it was locked
