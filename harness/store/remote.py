"""A place for blobs that coordinator and workers reach under the same URL: a folder, S3, whatever fsspec knows.

For clusters whose machines share no folder with the coordinator. Blobs are named by content, as in a run's folder.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """`url` as fsspec writes it: file:///shared/blobs, s3://bucket/blobs, …"""

    url: str

    def check(self) -> None:
        """Write something and read it again. Raises ConfigError when that does not work."""
        name = f"check-{uuid.uuid4().hex}"
        try:
            self.put(name, b"bitlens")
            works = self.get(name) == b"bitlens"
            self.remove(name)
        except Exception as error:
            raise ConfigError(f"--storage {self.url}: {type(error).__name__}: {error}") from error
        if not works:
            raise ConfigError(f"--storage {self.url}: expected to read what was written, got something else")

    def put(self, name: str, content: bytes) -> None:
        """Never seen half-written: object stores see to that themselves, folders get the file renamed."""
        files, root = self._files
        if files.exists(f"{root}/{name}"):
            return
        temporary = f"{root}/part-{uuid.uuid4().hex}"
        files.makedirs(root, exist_ok=True)
        files.pipe_file(temporary, content)
        files.mv(temporary, f"{root}/{name}")

    def get(self, name: str) -> bytes:
        files, root = self._files
        content: bytes = files.cat_file(f"{root}/{name}")
        return content

    def remove(self, name: str) -> None:
        files, root = self._files
        with suppress(FileNotFoundError):  # another process was quicker
            files.rm_file(f"{root}/{name}")

    @property
    def _files(self) -> tuple[Any, str]:
        """fsspec keeps one connection for each kind of URL and process; this only looks it up."""
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self.url)
        return files, root.rstrip("/")
