"""A run's folder: one run works in it at a time, and what it says when it cannot be written."""

from __future__ import annotations

import errno
import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import BitlensError, ConfigError


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that nothing more can be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def store_errors_explained() -> Iterator[None]:
    """A disk that is full, or a database that another program holds, ends a run: every further unit would fail too."""
    kept = "all that was finished is kept"
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if is_disk_full(error) or "disk is full" in str(error):
            raise BitlensError(f"the disk is full; {kept}", hint="make room, then the same command") from error
        if "locked" in str(error):
            raise BitlensError(f"another program holds the run's database; {kept}", hint="close it") from error
        raise


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel lets go of it when the process ends, however it ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f'run folder "{folder}": another run is working in it', hint="wait for it, or give --out another folder"
            ) from None
        yield
