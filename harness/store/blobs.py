"""Arrays and artifacts in a folder, each file named by the SHA-256 of its content, and verified when it is read.

Any number of processes may write into the same folder: two that save the same content save the same file.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.cpus import available_cores
from harness.store.atomic_files import remove_parts, write_atomically

Seen = dict[str, tuple[int, int]]  # blobs that were intact, with time of change (ns) and size (bytes) of their files


class Damaged(Exception):
    """A blob is missing, cut short or altered; the text is its SHA-256."""


class Blobs:
    """A folder of blobs. It is made with the first one."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder

    def save_blob(self, content: bytes) -> str:
        """Keep bytes under their SHA-256, which is returned. What is there already, intact, is not written again."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.is_intact(sha256):
            write_atomically(self._blobs / sha256, content)
        return sha256

    def save_array(self, array: NDArray[Any]) -> str:
        """Keep an array as .npy under the SHA-256 of its file."""
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        return self.save_blob(buffer.getvalue())

    def blob_path(self, sha256: str) -> Path:
        return self._blobs / sha256

    def read_blob(self, sha256: str) -> bytes:
        """The content. Raises Damaged when the file is not what its name says."""
        try:
            with _open(self._blobs / sha256) as file:
                content = file.read()
        except OSError:
            raise Damaged(sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Damaged(sha256)
        return content

    def load_array(self, sha256: str) -> NDArray[Any]:
        """The array. Raises Damaged as `read_blob` does."""
        array: NDArray[Any] = np.load(io.BytesIO(self.read_blob(sha256)), allow_pickle=False)
        return array

    def is_intact(self, sha256: str) -> bool:
        """Whether the file is there and is what its name says."""
        return not self.damage_of(sha256)

    def damage_of(self, sha256: str, seen: Seen | None = None) -> str:
        """What is wrong with a blob, in words; empty for an intact one.

        seen  blobs that were intact, which are read again only if their files changed; this one is added.
        """
        try:
            with _open(self._blobs / sha256) as file:
                status = os.fstat(file.fileno())
                changed = status.st_mtime_ns, status.st_size
                if seen is not None and seen.get(sha256) == changed:
                    return ""
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    return "is empty" if not status.st_size else "is altered or cut short"
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        if seen is not None:
            seen[sha256] = changed
        return ""

    def damaged_blobs(self, names: Iterable[str], seen: Seen | None = None) -> dict[str, str]:
        """Those of these blobs that are damaged, and what is wrong with each. Hashing takes all cores."""
        unique = sorted(set(names))
        with ThreadPoolExecutor(available_cores()) as threads:
            found = threads.map(lambda sha256: self.damage_of(sha256, seen), unique)
            return {sha256: what for sha256, what in zip(unique, found) if what}

    def discard_parts(self) -> None:
        """Remove what processes that were killed left half-written."""
        remove_parts(self._blobs)


def _open(path: Path) -> io.BufferedReader:
    """A regular file, for reading: a pipe or a device in its place is an error at once, never a wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError("not a file")
    return file
