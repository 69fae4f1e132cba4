"""A temporary folder of this process alone, so that whatever a library leaves behind goes with it.

TensorFlow writes each Python function that it converts to a graph into a file (`__autograph_generated_file*.py`), and
removes it when Python ends; a killed process leaves it. So a process of ours has a folder of its own, which it removes
at its end, and the next process removes those of dead ones. A lock that dies with its process tells which are dead.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX, _LOCK = "bitlens-scratch-", "lock"
_held: list[int] = []  # descriptors of locks, for the length of the process


def use_own_temporary_folder() -> Path:
    """Make `tempfile` use a new folder in this process, not in its children, and remove what dead ones left."""
    around = Path(tempfile.gettempdir())
    _sweep(around)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=around))
    _held.append(_locked(folder))
    atexit.register(_remove, folder, os.getpid())
    tempfile.tempdir = str(folder)
    return folder


def _locked(folder: Path) -> int:
    """A lock that appears when it is held already: a folder without one is not swept."""
    unnamed = folder / "new-lock"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)
    return descriptor


def _sweep(around: Path) -> None:
    """Remove the folders of our own user whose process is dead."""
    for folder in around.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, still at work, or gone already
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _remove(folder: Path, owner: int) -> None:
    """At exit; a forked child, which runs this too, leaves it to its parent."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
