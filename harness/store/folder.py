"""A run's folder: one run works in it at a time, and what is said when it cannot be read or written."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from harness.errors import BitlensError, ConfigError
from harness.store.atomic_files import try_writing

DATABASE = "store.sqlite"
ELSEWHERE = "a copy of it from before, or another folder"


class UnreadableStore(ConfigError):
    """A database that is not a run's, that a newer bitlens wrote, or that is damaged as a whole."""


def unreadable(folder: Path, what: str, *, hint: str = ELSEWHERE) -> UnreadableStore:
    shown = "".join(letter if letter.isprintable() else "?" for letter in what)  # SQLite quotes what it could not read
    return UnreadableStore(f'run folder "{folder}": its {DATABASE} {shown}', hint=hint)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that nothing more can be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def store_errors_explained(folder: Path | None = None) -> Iterator[None]:
    """A disk that is full, a database that another program holds, or a folder that went away ends a run: every further
    unit would fail too. With `folder`, other errors of writing into it are sentences as well."""
    kept = "all that was finished is kept"
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        if is_disk_full(error) or "disk is full" in str(error):
            raise BitlensError(f"the disk is full; {kept}", hint="make room, then the same command") from error
        if "locked" in str(error):
            raise BitlensError(f"another program holds the run's database; {kept}", hint="close it") from error
        if folder is not None and (isinstance(error, sqlite3.Error) or _is_in(folder, error)):
            raise BitlensError(f'run folder "{folder}": it cannot be written ({_why(error)}); {kept}') from error
        raise
    except sqlite3.DatabaseError as error:
        if folder is None:
            raise
        raise unreadable(folder, f"is damaged ({error})") from error


@contextmanager
def output_errors_explained(what: str, *, reading: bool = False) -> Iterator[None]:
    """Writing results, or `reading` them, fails in one sentence. `what` names the place: '--out "x"'."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise BitlensError(f"{what}: the disk is full", hint="make room, then the same command") from error
        how = "read" if reading else "written"
        raise ConfigError(f"{what}: it cannot be {how} ({_why(error)})", hint="another folder") from error


def check_writable(folder: Path, what: str = "") -> None:
    """Make the folder and write into it, before work is begun that would end in it. Raises ConfigError."""
    with output_errors_explained(what or f'folder "{folder}"'):
        try_writing(folder)


def check_writable_files(folder: Path, names: Iterable[str]) -> None:
    """Whether files of these names can be written into a folder, which is made. Raises ConfigError."""
    check_writable(folder)
    for name in names:
        if (folder / name).is_dir():
            raise ConfigError(f'"{folder / name}": expected a file, or nothing, got a folder', hint="move it away")


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel lets go of it when the process ends, however it ends.

    A link in its place is not followed, and nothing that is not a file is taken for the lock. Raises ConfigError.
    """
    with output_errors_explained(f'run folder "{folder}", its file "lock"'):
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f'run folder "{folder}": expected a file, got something else named "lock"')
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f'run folder "{folder}": another run is working in it', hint="wait for it, or give --out another folder"
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def removed_if_refused(folder: Path) -> Iterator[None]:
    """Where all that was to be done in a folder is refused, leave none behind that was not there and has no results."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    except ConfigError:
        if missing and not _has_results(folder):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # somebody may have put something beside it
                for place in missing[1:]:
                    place.rmdir()
        raise


def _has_results(folder: Path) -> bool:
    """Whether any unit of work ended there; what cannot be read is taken for results."""
    if not (folder / DATABASE).exists():
        return False
    try:
        with closing(sqlite3.connect(folder / DATABASE)) as database:
            return database.execute("SELECT 1 FROM unit LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return True


def _is_in(folder: Path, error: OSError | sqlite3.OperationalError) -> bool:
    name = getattr(error, "filename", None)
    return name is not None and Path(os.fsdecode(name)).is_relative_to(folder)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
