"""The artifacts on this device: received piece by piece, named by their SHA-256, kept for as long as there is room."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from typing import Any

KEPT_BYTES = 2 << 30  # of artifacts on the device: four of the largest
STALE_UPLOAD_SECONDS = 24 * 3600


class Artifacts:
    """The folder of artifacts in the agent's cache."""

    def __init__(self, cache: str) -> None:
        self.folder = os.path.join(os.path.expanduser(cache), "artifacts")
        self._upload: Any = None

    def path(self, sha256: str) -> str:
        return os.path.join(self.folder, sha256)

    def use(self, sha256: str) -> str:
        """The path of an artifact that was put here. What was used last is kept longest."""
        path = self.path(sha256)
        if not os.path.exists(path):
            raise FileNotFoundError(f"artifact {sha256[:12]} is not on this device; put it first")
        os.utime(path)
        return path

    def receive(self, sha256: str, *, size: int, offset: int, content: bytes) -> bool:
        """Take the next piece; whether the artifact is here and whole. The first, empty piece only asks for that."""
        if self._is_intact(sha256):
            return True
        if offset == 0:
            self._start_upload(size)
        self._upload.seek(offset)
        self._upload.write(content)
        if not content or offset + len(content) < size:
            return False
        self._finish_upload(sha256)
        return True

    def free_bytes(self) -> int:
        os.makedirs(self.folder, exist_ok=True)
        return shutil.disk_usage(self.folder).free

    def _is_intact(self, sha256: str) -> bool:
        path = self.path(sha256)
        return os.path.exists(path) and _sha256_of(path) == sha256

    def _start_upload(self, size: int) -> None:
        os.makedirs(self.folder, exist_ok=True)
        self._remove_stale_uploads()
        self._make_room(size)
        free = self.free_bytes()
        if free < size:
            raise OSError(f"{self.folder}: the artifact needs {size} bytes, and {free} are free")
        self._upload = open(os.path.join(self.folder, f"part-{os.getpid()}"), "wb")  # noqa: SIM115

    def _finish_upload(self, sha256: str) -> None:
        """Checked, then renamed: never seen half-written or altered."""
        self._upload.close()
        received = _sha256_of(self._upload.name)
        if received != sha256:
            os.remove(self._upload.name)
            raise OSError(f"artifact {sha256[:12]} was altered on its way here: it arrived as {received[:12]}")
        os.replace(self._upload.name, self.path(sha256))

    def _make_room(self, size: int) -> None:
        """Of more than KEPT_BYTES, drop what was not used for longest; the host sends it again when it is wanted."""
        entries = [entry for entry in os.scandir(self.folder) if not entry.name.startswith("part-")]
        total = size + sum(entry.stat().st_size for entry in entries)
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime):
            if total > KEPT_BYTES:
                total -= entry.stat().st_size
                os.remove(entry.path)

    def _remove_stale_uploads(self) -> None:
        """What an agent that was killed in the middle of an upload has left behind."""
        oldest = time.time() - STALE_UPLOAD_SECONDS
        for entry in os.scandir(self.folder):
            if entry.name.startswith("part-") and entry.stat(follow_symlinks=False).st_mtime < oldest:
                os.remove(entry.path)


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
