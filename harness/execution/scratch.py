"""A run's temporary folder: its own alone, and gone with it; those that killed runs have left go with the next run."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import ConfigError
from harness.store.folder import is_disk_full

PREFIX = "bitlens-run-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, mode 0700, in the system's temporary folder. Raises ConfigError where none can be made.

    It is locked as long as it is used; the kernel lets go of the lock when the process ends, however it ends.
    """
    try:
        _remove_abandoned(Path(tempfile.gettempdir()))
        folder, lock = _make_locked()
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ConfigError(f"no temporary folder can be written: {error}", hint="TMPDIR=/a/folder/of/yours") from error
    try:
        yield folder
    finally:
        # Dask has put it there for modules; once it is gone, others may make a folder of that name
        sys.path[:] = [path for path in sys.path if not Path(path).is_relative_to(folder)]
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make_locked() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # no locks on this file system: then nobody finds the folder abandoned either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # else another run has found it before it was locked
            return folder, lock
        os.close(lock)


def _remove_abandoned(temporary: Path) -> None:
    """Remove what runs of this user have left that were killed."""
    for folder in temporary.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is not ours, or in use, or was removed meanwhile
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                found = os.fstat(lock)
                if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == stat.S_IRWXU:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
