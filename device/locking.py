"""Only one process measures on a machine at a time. The kernel lets go of the lock when its holder ends, however."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.2


class DeviceBusy(RuntimeError):
    """Somebody else is measuring; the message says who."""


def lock_path() -> Path:
    """One file for the whole machine, whoever the user: two caches do not make two boards."""
    return Path(tempfile.gettempdir()) / "bitlens-measuring.lock"


def acquire(
    holder: str,
    *,
    wait_s: float,
    on_wait: Callable[[dict[str, Any]], None] = lambda report: None,
    path: Path | None = None,
) -> Any:
    """The lock, as an open file to be kept; `holder` is the name that others are shown.

    Raises DeviceBusy when it is not free within `wait_s` seconds.
    """
    file = _open(path or lock_path())
    until, reported = time.monotonic() + wait_s, ""
    while not _try_lock(file):
        current = read_holder(path)
        if time.monotonic() >= until:
            file.close()
            raise DeviceBusy(f"this device is being measured by {current or 'somebody unknown'}")
        if current != reported:
            reported = current
            on_wait({"stage": "waiting", "holder": current})
        time.sleep(POLL_SECONDS)
    file.truncate(0)
    file.write(f"{holder}, since {time.strftime('%Y-%m-%d %H:%M:%S')}, process {os.getpid()}".encode())
    file.flush()
    return file


def read_holder(path: Path | None = None) -> str:
    """Who holds the lock, or held it last; empty when nobody ever did."""
    try:
        return (path or lock_path()).read_text(errors="replace")
    except OSError:
        return ""


def state(path: Path | None = None) -> dict[str, Any]:
    """{"lockable": whether we could measure, "lock_holder": who is measuring now, or None}"""
    try:
        file = _open(path or lock_path())
    except OSError:
        return {"lockable": False, "lock_holder": None}
    with file:
        return {"lockable": True, "lock_holder": None if _try_lock(file) else read_holder(path)}


def _open(path: Path) -> Any:
    """Readable and writable by every user of the machine: a flock needs an open file, and the next holder its name."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        os.fchmod(descriptor, 0o666)
    except FileExistsError:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return os.fdopen(descriptor, "r+b", buffering=0)


def _try_lock(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
