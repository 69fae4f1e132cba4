"""Only one process measures on a machine at a time. The kernel lets go of the lock when its holder ends, however.

The lock is one file for all users of the machine, in a folder where everybody may put one. So it is never followed
anywhere, never written unless it holds what a lock file holds, and its text is anybody's: bounded, and shown as text.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .text import one_line

POLL_SECONDS = 0.2
MOST_BYTES = 1024
_HOLDER = re.compile(r".{1,200}, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, process \d+")


class DeviceBusy(RuntimeError):
    """Somebody else is measuring; the message says who."""


class NoLock(RuntimeError):
    """What lies where the lock should be cannot be one; the message says why, and what to do."""


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

    Raises DeviceBusy when it is not free within `wait_s` seconds, NoLock where there can be none.
    """
    file = _open(path or lock_path())
    until, reported = time.monotonic() + wait_s, ""
    while not _try_lock(file):
        current = _holder(file)
        if time.monotonic() >= until:
            file.close()
            raise DeviceBusy(f"this device is being measured by {current or 'somebody unknown'}")
        if current != reported:
            reported = current
            on_wait({"stage": "waiting", "holder": current})
        time.sleep(POLL_SECONDS)
    _write_holder(file, holder)
    return file


def state(path: Path | None = None) -> dict[str, Any]:
    """{"lockable": whether we could measure, "lock_holder": who is measuring now, or None, "lock_problem": if not}"""
    try:
        file = _open(path or lock_path())
    except NoLock as error:
        return {"lockable": False, "lock_holder": None, "lock_problem": str(error)}
    with file:
        holder = None if _try_lock(file) else _holder(file)
    return {"lockable": True, "lock_holder": holder, "lock_problem": None}


def _open(path: Path) -> IO[bytes]:
    """The lock file, made where it is missing. Where another user made it, it can be locked but perhaps not written.

    Linux lets nobody open another user's file in /tmp with O_CREAT (fs.protected_regular), so making and opening are
    two steps. Raises NoLock.
    """
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(3):  # the file may come or go between two steps
        for access, how in ((os.O_RDWR, "r+b"), (os.O_RDONLY, "rb")):
            try:
                return _checked(open(os.open(path, access | flags), how, buffering=0), path)
            except FileNotFoundError:
                break
            except PermissionError as error:
                refused = error
            except OSError as error:
                raise NoLock(f"{path}: {error.strerror}, where bitlens' measuring lock should be; remove it") from error
        else:
            raise NoLock(f"{path}: {refused.strerror}; its owner can remove it") from refused
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
        except FileExistsError:
            continue
        except OSError as error:
            raise NoLock(f"{path}: {error.strerror}, so nothing can be measured one at a time") from error
        os.fchmod(descriptor, 0o666)  # a flock needs an open file, and the next holder's name a writable one
        return open(descriptor, "r+b", buffering=0)
    raise NoLock(f"{path}: it comes and goes, so nothing can be measured one at a time")


def _checked(file: IO[bytes], path: Path) -> IO[bytes]:
    """A plain file under one name, empty or with a holder's name in it: anything else may be of use to somebody."""
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size <= MOST_BYTES:
        words = file.read(MOST_BYTES).strip(b"\0")  # zeros are what a power cut makes of a text
        if not words or _HOLDER.fullmatch(words.decode("utf-8", "replace")):
            return file
    file.close()
    raise NoLock(f"{path} is not bitlens' measuring lock, and is left as it is; move it away")


def _holder(file: IO[bytes]) -> str:
    """Who holds the lock, or held it last; empty when nobody ever did."""
    file.seek(0)
    return one_line(file.read(MOST_BYTES).decode("utf-8", "replace").strip("\0"))


def _write_holder(file: IO[bytes], holder: str) -> None:
    if file.writable():
        file.truncate(0)
        file.seek(0)
        name = one_line(holder)[:200] or "somebody"
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"{name}, since {since}, process {os.getpid()}".encode())


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
