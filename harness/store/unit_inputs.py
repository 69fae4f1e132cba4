"""What a unit finds and leaves while it is done: results that it builds on, and blobs. It knows no database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from harness.store.blobs import Blobs
from harness.store.remote import Storage
from harness.store.units import StoredUnit


class Damaged(Exception):
    """A blob is missing, cut short or altered."""


class UnitInputs(Blobs):
    """The `store` of a run context where the run's own is not at hand: in a worker, and in a board's thread.

    storage  where blobs are fetched from and left when the folder is not the run's own.
    """

    def __init__(self, folder: Path, storage: Storage | None = None) -> None:
        super().__init__(folder)
        self._storage = storage
        self._inputs: dict[str, StoredUnit] = {}
        self._verified: set[tuple[str, int]] = set()

    def set_inputs(self, inputs: Iterable[StoredUnit]) -> None:
        self._inputs = {stored.key: stored for stored in inputs}

    def unit(self, key: str) -> StoredUnit:
        return self._inputs[key]

    def finished(self) -> dict[str, str]:
        return {key: stored.status for key, stored in self._inputs.items()}

    def save_blob(self, content: bytes) -> str:
        sha256 = super().save_blob(content)
        if self._storage is not None:
            self._storage.put(sha256, content)
        return sha256

    def blob_path(self, sha256: str) -> Path:
        """The file, verified the first time. Raises Damaged when it is not what its name says."""
        path = super().blob_path(sha256)
        if not self._is_verified(path, sha256):
            if self._storage is None:
                raise Damaged(sha256)
            self._fetch(sha256, self._storage)
        return path

    def _is_verified(self, path: Path, sha256: str) -> bool:
        try:
            modified = path.stat().st_mtime_ns
            if (sha256, modified) not in self._verified:
                if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                    return False
                self._verified.add((sha256, modified))
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, sha256: str, storage: Storage) -> None:
        try:
            content = storage.get(sha256)
        except FileNotFoundError:
            raise Damaged(sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            storage.remove(sha256)  # or what is made again would find its place taken
            raise Damaged(sha256)
        super().save_blob(content)
