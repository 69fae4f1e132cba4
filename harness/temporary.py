"""A temporary folder of this process alone, so that whatever a library leaves behind goes with it.

TensorFlow writes each Python function that it converts to a graph into a file (`__autograph_generated_file*.py`), and
removes it when Python ends; a killed process leaves it. So a process of ours has a folder of its own, which it removes
at its end, and the next process removes those of dead ones. A lock that dies with its process tells which are dead.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PREFIX = "bitlens-scratch-"


def use_own_temporary_folder() -> None:
    """Make `tempfile` use a new folder in this process, not in its children. Raises OSError where none can be made."""
    until_exit = ExitStack()
    tempfile.tempdir = str(until_exit.enter_context(own_folder()))
    atexit.register(until_exit.close)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder in the temporary folder, mode 0700, gone afterwards; those that dead processes left go now.

    It is locked as long as it is used; the kernel lets go of the lock when the process ends, however it ends. Raises
    OSError.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    owner = os.getpid()
    folder, lock = _make_locked()
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # a forked child that ends leaves it to its parent
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make_locked() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process has found it first, and removed it
            continue
        with suppress(OSError):  # no locks on this file system: then nobody finds the folder abandoned either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():  # else another process has found it before it was locked
            return folder, lock
        os.close(lock)


def _remove_abandoned(around: Path) -> None:
    """Remove what processes of this user have left that were killed."""
    for folder in around.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is not ours, or in use, or was removed meanwhile
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                found = os.fstat(lock)
                if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == stat.S_IRWXU:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
