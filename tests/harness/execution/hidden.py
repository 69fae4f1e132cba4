"""Preloaded by a worker that is to share nothing with the coordinator: the run's folder is closed to it.

Every file that it fetches from the storage is noted, so that a test sees who fetched what how often.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from harness.store.remote import Storage

HIDDEN, FETCHED = "BITLENS_TEST_HIDDEN", "BITLENS_TEST_FETCHED"  # what is closed, and where fetches are noted
_TOUCHING = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.link", "os.remove")


def refuse_hidden(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _TOUCHING and str(arguments[0]).startswith(os.environ[HIDDEN]):
        raise PermissionError(f"a worker touched {arguments[0]}, which it cannot see")


def fetch_and_note(storage: Storage, name: str, *, fetch: Any = Storage.get) -> bytes:
    with Path(os.environ[FETCHED]).open("a") as notes:
        notes.write(f"{os.getpid()} {name}\n")
    content: bytes = fetch(storage, name)
    return content


if HIDDEN in os.environ:
    sys.addaudithook(refuse_hidden)
    Storage.get = fetch_and_note  # type: ignore[method-assign]  # it stands in for it
