"""Arrays and artifacts in a folder, each file named by the SHA-256 of its content.

Any number of processes may write into the same folder: a file is written beside, flushed and renamed, so it is never
seen half-written, and two that save the same content save the same file.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PART = "part-"  # what the names of files begin with that are being written


class Blobs:
    """A folder of blobs. It is made when it is not there."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder
        self._blobs.mkdir(parents=True, exist_ok=True)

    def save_blob(self, content: bytes) -> str:
        """Keep bytes under their SHA-256, which is returned. What is there already, intact, is not written again."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.is_intact(sha256):
            handle, temporary = tempfile.mkstemp(dir=self._blobs, prefix=_PART)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self._blobs / sha256)
            except BaseException:
                os.unlink(temporary)
                raise
        return sha256

    def save_array(self, array: NDArray[Any]) -> str:
        """Keep an array as .npy under the SHA-256 of its file."""
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        return self.save_blob(buffer.getvalue())

    def blob_path(self, sha256: str) -> Path:
        return self._blobs / sha256

    def load_array(self, sha256: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self.blob_path(sha256), allow_pickle=False)
        return array

    def is_intact(self, sha256: str) -> bool:
        """Whether the file is there and is what its name says."""
        path = self._blobs / sha256
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def discard_parts(self) -> None:
        """Remove what processes that were killed left half-written."""
        for part in self._blobs.glob(f"{_PART}*"):
            part.unlink(missing_ok=True)
