"""What a unit finds and leaves while it is done: results that it builds on, and blobs. It knows no database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from harness.store.blobs import Blobs, Damaged, Seen
from harness.store.remote import Storage
from harness.store.units import StoredUnit


class UnitInputs(Blobs):
    """The `store` of a run context where the run's own is not at hand: in a worker, and in a board's thread.

    storage  where blobs are fetched from and left when the folder is not the run's own.
    """

    def __init__(self, folder: Path, storage: Storage | None = None) -> None:
        super().__init__(folder)
        self._storage = storage
        self._inputs: dict[str, StoredUnit] = {}
        self._intact: Seen = {}

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
        """The file, verified the first time and whenever it changed. Raises Damaged for one that is not as named."""
        if self.damage_of(sha256, self._intact):
            self._fetch(sha256)
        return super().blob_path(sha256)

    def read_blob(self, sha256: str) -> bytes:
        try:
            return super().read_blob(sha256)
        except Damaged:
            return self._fetch(sha256)

    def _fetch(self, sha256: str) -> bytes:
        """The content, out of the storage, and in this folder again."""
        storage = self._storage
        if storage is None:
            raise Damaged(sha256)
        try:
            content = storage.get(sha256)
        except FileNotFoundError:
            raise Damaged(sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            storage.remove(sha256)  # or what is made again would find its place taken
            raise Damaged(sha256)
        super().save_blob(content)
        return content
