"""Opening a run's database: to write, as a run does, or only to read, which changes and creates no file.

Every page is checked by SQLite itself; `harness.store.integrity` checks what stands in the rows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.store import digests, migration
from harness.store.folder import DATABASE, is_disk_full, unreadable
from harness.store.tables import SCHEMA_VERSION, names_in

NOTED = "store.commits"  # how many transactions were committed, as text
BESIDE = ("-wal", "-journal")  # what may lie beside a database and belongs to it
ATTEMPTS = 5  # at copying a database while nobody writes it
# What the check says of single values; digests say so too, and of which unit.
OF_VALUES = ("NULL value in", "NUMERIC value in", "TEXT value in")

META_ALTERED = "the facts about the run in the database (experiment, command, versions) are altered"

Stamp = tuple[int, int]  # time of change (ns) and size (bytes)


def database_of(folder: Path) -> Path:
    """The file, if it is one. Raises UnreadableStore."""
    path = folder / DATABASE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe in its place holds up nobody
        status = os.fstat(descriptor)
        os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise unreadable(folder, f"is not there: expected the folder of a run, found no {DATABASE} in it") from None
    except OSError as error:
        raise unreadable(folder, f"cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(folder, "is not a file")
    return path.resolve()


def noted_commits(folder: Path) -> int:
    """How many transactions the folder says were committed; 0 if it does not say."""
    try:
        return int((folder / NOTED).read_text()) if (folder / NOTED).is_file() else 0
    except (OSError, ValueError):
        return 0


def findings_at_opening(database: sqlite3.Connection, noted: int) -> tuple[str, ...]:
    """Sentences about what is lost or altered of the run as a whole, before anything is written over it."""
    with digests.texts_as_bytes(database):
        commits, meta = database.execute("SELECT commits, meta FROM tally").fetchone() or (None, b"")
    lost = noted - (commits if isinstance(commits, int) else 0)
    return (
        *([f"the last {lost} commits to the database are lost"] if lost > 0 else []),
        *([META_ALTERED] if meta != digests.meta_digest(database).encode() else []),
    )


# ------------------------------------------------------------------------------------------------------------- to write
@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """An open database that is read and written; `schema_found` is the one that it had, `findings` as in Reading."""

    database: sqlite3.Connection
    schema_found: int
    findings: tuple[str, ...]


def open_to_write(folder: Path, *, is_locked: bool) -> Writing:
    """The database of a run, made if it is not there. Raises UnreadableStore.

    Pages that make no sense are refused; an index that does not fit its table is made again.
    """
    path, noted = folder / DATABASE, noted_commits(folder)
    exists = os.path.lexists(path) and database_of(folder).stat().st_size > 0
    if noted and not exists:
        raise unreadable(
            folder,
            f"is gone or empty, though {noted} commits were made to it",
            hint=f"put it back, or remove {NOTED} to begin from nothing, or another folder",
        )
    try:
        database = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        try:
            _harden(database)
            if exists:
                _check_pages(database, folder, repair=True)
            found = migration.prepare(database, folder, is_locked=is_locked)
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                database.execute(f"PRAGMA {setting}")
            findings = findings_at_opening(database, noted)
            digests.count_on_from(database, noted)
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise _explained(error, folder) from error
    return Writing(database=database, schema_found=found, findings=findings)


# ------------------------------------------------------------------------------------------------------------- to read
class Reading:
    """An open database that is only read, in one snapshot from first to last. Use as a context manager.

    stamp     of its file; the pages of an equal one are not checked a second time if they are said to be `sound`.
    findings  what is wrong with the run as a whole.
    """

    def __init__(self, folder: Path, *, sound: Stamp | None = None) -> None:
        self._folder, self._opened = folder, ExitStack()
        self._path = database_of(folder)
        noted = noted_commits(folder)  # before the database: a run may commit meanwhile
        self.stamp = stamp_of(self._path)
        if not self.stamp[1]:
            raise unreadable(folder, "is empty: no run was begun here, or a damaged one")
        try:
            self.database = self._open()
            if sound != self.stamp:
                _check_pages(self.database, folder, repair=False)
            if self._schema() < SCHEMA_VERSION:
                self._open_migrated()
            self.database.execute("BEGIN")
            self.findings = findings_at_opening(self.database, noted)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise unreadable(folder, f"is damaged, or cannot be read ({error})") from error
            raise

    def close(self) -> None:
        self._opened.close()

    def was_overwritten(self) -> bool:
        """Whether what was read may be no snapshot: a run began to write while no lock kept it from doing so."""
        return self._is_immutable and stamp_of(self._path) != self.stamp

    def _open(self) -> sqlite3.Connection:
        """In place if SQLite can do so without writing anything, otherwise a copy."""
        wal, shm = Path(f"{self._path}-wal"), Path(f"{self._path}-shm")
        self._is_immutable = not any(_has_content(Path(f"{self._path}{suffix}")) for suffix in BESIDE)
        if self._is_immutable:
            return self._connected(self._path, "mode=ro&immutable=1")
        if _has_content(wal) and shm.exists():
            try:
                database = self._connected(self._path, "mode=ro")
                database.execute("SELECT count(*) FROM sqlite_master").fetchone()
                return database
            except sqlite3.OperationalError:  # a folder that cannot be written, for example
                pass
        return self._connected(self._copy(), "mode=rw")

    def _open_migrated(self) -> None:
        self._is_immutable = False
        older = self.database
        self.database = self._connected(self._copied(lambda path: path.touch()), "mode=rw")
        older.backup(self.database)
        migration.prepare(self.database, self._folder, is_locked=True)

    def _schema(self) -> int:
        if not names_in(self.database):
            raise unreadable(self._folder, "has no tables: no run was begun here, or a damaged one")
        return migration.schema_of(self.database, self._folder)

    def _connected(self, path: Path, how: str) -> sqlite3.Connection:
        address = f"file:{quote(os.fsencode(path))}?{how}"
        database = sqlite3.connect(address, uri=True, timeout=30.0, isolation_level=None)
        self._opened.callback(database.close)
        _harden(database)
        return database

    def _copy(self) -> Path:
        """A copy of the database and its log as they were at one moment."""

        def copy(to: Path) -> None:
            for _ in range(ATTEMPTS):
                before = stamp_of(self._path)
                shutil.copyfile(self._path, to)
                for suffix in BESIDE:
                    source = Path(f"{self._path}{suffix}")
                    if _has_content(source):
                        shutil.copyfile(source, f"{to}{suffix}")
                if stamp_of(self._path) == before:
                    return
            raise unreadable(self._folder, "is being written all the time", hint="try again")

        return self._copied(copy)

    def _copied(self, copy: Callable[[Path], object]) -> Path:
        try:
            folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="bitlens-"))
            copy(Path(folder) / DATABASE)
        except OSError as error:
            hint = "TMPDIR with a folder that has room for a copy of it"
            what = f"cannot be copied to be read ({error.strerror or error})"
            raise unreadable(self._folder, what, hint=hint) from error
        return Path(folder) / DATABASE


def _harden(database: sqlite3.Connection) -> None:
    """A database may come from a stranger, or from a disk that fails."""
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")


def _check_pages(database: sqlite3.Connection, folder: Path, *, repair: bool) -> None:
    """SQLite's own check of every page, and of every index against its table. Raises UnreadableStore."""
    wrong = _wrong(database)
    if wrong and repair:
        wrong = _reindexed(database)
    if wrong:
        raise unreadable(folder, f"is damaged: {wrong[0]}")


def _wrong(database: sqlite3.Connection) -> list[str]:
    try:
        said = [str(line).splitlines()[-1] for (line,) in database.execute("PRAGMA integrity_check(100)")]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [line for line in said if line != "ok" and not line.startswith(OF_VALUES)]


def _reindexed(database: sqlite3.Connection) -> list[str]:
    """What is still wrong once every index is made again of its table; nothing is changed if anything is."""
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute("REINDEX")
        wrong = _wrong(database)
        database.execute("ROLLBACK" if wrong else "COMMIT")
    except sqlite3.DatabaseError as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        return [str(error)]
    return wrong


def _explained(error: sqlite3.Error, folder: Path) -> Exception:
    """What SQLite says, as a sentence; what `store_errors_explained` knows better is left to it."""
    if isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "full" in str(error)):
        return error
    if is_disk_full(error):
        return error
    what = "is not a run's database" if "not a database" in str(error) else "is damaged, or cannot be read or written"
    return unreadable(folder, f"{what} ({error})")


def stamp_of(path: Path) -> Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
