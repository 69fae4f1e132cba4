"""The artifacts on this device: received piece by piece, named by their SHA-256, kept for as long as there is room.

The LCE operators' library is kept and checked in the same way.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from typing import Any

from . import files

KEPT_BYTES = 2 << 30  # of artifacts on the device: four of the largest
STALE_UPLOAD_SECONDS = 24 * 3600
_NAME = re.compile(r"[0-9a-f]{64}")


class Artifacts:
    """The folder of artifacts in the agent's cache, which is ours already (files.claim_cache)."""

    def __init__(self, cache: str) -> None:
        self._folder = os.path.join(os.path.expanduser(cache), "artifacts")
        self._upload: Any = None

    def use(self, sha256: str) -> str:
        """The path of an artifact that was put here and is as it was sent. What was used last is kept longest."""
        path = self._path(sha256)
        if not os.path.lexists(path):
            raise FileNotFoundError(f"artifact {sha256[:12]} is not on this device; send it first")
        if not files.is_whole(path, sha256):
            raise OSError(
                f"artifact {sha256[:12]} was altered on this device after it had been sent; it was removed, "
                f"and the next job sends it again"
            )
        os.utime(path)
        return path

    def beside(self, sha256: str, what: str) -> str:
        """Where a runtime may keep something of an artifact for a day: _remove_stale_uploads drops it."""
        return os.path.join(files.private_folder(self._folder), f"part-{what}-{sha256}")

    def receive(self, sha256: str, *, size: int, offset: int, content: bytes) -> bool:
        """Take the next piece; whether the artifact is here and whole. The first, empty piece only asks for that."""
        if files.is_whole(self._path(sha256), sha256):
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
        return shutil.disk_usage(files.private_folder(self._folder)).free

    def _path(self, sha256: str) -> str:
        if not _NAME.fullmatch(sha256):
            raise ValueError(f"artifact: expected the SHA-256 of its bytes, got {sha256!r}")
        return os.path.join(files.private_folder(self._folder), sha256)

    def _start_upload(self, size: int) -> None:
        self._drop_upload()
        self._remove_stale_uploads()
        self._make_room(size)
        free = self.free_bytes()
        if free < size:
            raise OSError(f"{self._folder}: the artifact needs {size} bytes, and {free} are free")
        self._upload = tempfile.NamedTemporaryFile(prefix="part-", dir=self._folder, delete=False)  # noqa: SIM115

    def _finish_upload(self, sha256: str) -> None:
        """Checked, then renamed: never seen half-written or altered."""
        self._upload.flush()
        with open(self._upload.name, "rb") as file:
            received = files.hash_of(file)
        if received != sha256:
            self._drop_upload()
            raise OSError(f"artifact {sha256[:12]} was altered on its way here: it arrived as {received[:12]}")
        self._upload.close()
        files.move_whole(self._upload.name, self._path(sha256))
        self._upload = None

    def _drop_upload(self) -> None:
        if self._upload is not None:
            self._upload.close()
            files.discard(self._upload.name)
            self._upload = None

    def _make_room(self, size: int) -> None:
        """Of more than KEPT_BYTES, drop what was not used for longest; the host sends it again when it is wanted."""
        kept = [entry for entry in os.scandir(self._folder) if _NAME.fullmatch(entry.name)]
        status = {entry.path: entry.stat(follow_symlinks=False) for entry in kept}
        total = size + sum(each.st_size for each in status.values())
        for path in sorted(status, key=lambda path: status[path].st_mtime):
            if total > KEPT_BYTES:
                total -= status[path].st_size
                files.discard(path)

    def _remove_stale_uploads(self) -> None:
        """What an agent that was killed in the middle of an upload has left behind."""
        oldest = time.time() - STALE_UPLOAD_SECONDS
        for entry in os.scandir(self._folder):
            if entry.name.startswith("part-") and entry.stat(follow_symlinks=False).st_mtime < oldest:
                files.discard(entry.path)
