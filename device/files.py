"""Folders and files on a device that are ours alone, that are whole after a power cut, and that we may remove.

Programs lie in the agent's cache, so owner and mode are checked as OpenSSH checks its own folders: what belongs to
somebody else is refused, what is ours but open to others is closed. A folder becomes our cache only when we made it or
found it empty; the marker file says so from then on, and nothing is removed where it is missing.

Needs the standard library only: the host sends this text to a board before there is an agent.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

MARKER = "bitlens-cache"  # the file that says that a folder is our cache
_BEFORE_MARKERS = {  # what earlier versions left in a cache, and how all names in it look
    "agent": r"[0-9a-f]{64}(\.zip)?|tmp\w{8}|part-.*",
    "artifacts": r"[0-9a-f]{64}|part-.*",
    "venv": r"bitlens-requirements|bin|include|lib|lib64|share|pyvenv\.cfg|\.gitignore",
    "aarch64-bookworm": r"home|instructions\.so|root|site|wheels|part-.*",
}
_OTHERS_MAY_READ, _OTHERS_MAY_WRITE, _ANYBODY_MAY_WRITE = 0o077, 0o022, 0o002


def claim_cache(path: str, *, adopt: bool = False) -> str:
    """The cache folder, without symbolic links: made with its marker where it is missing, private from now on.

    adopt  take over a folder without the marker if what is in it was plainly left by an earlier version of ours.
    Raises PermissionError, with what to do, for a folder that is not ours.
    """
    folder = os.path.realpath(path)
    _make_private(folder)
    status = _owned_status(folder)
    _refuse_what_anybody_could_move(folder)
    if not is_ours(folder):
        names = os.listdir(folder)  # another agent may have claimed it since: the marker comes before all else
        if names and not is_ours(folder) and not (adopt and _left_by_earlier_versions(folder, names)):
            raise PermissionError(
                f"{folder} was not made by bitlens (it lacks the file {MARKER}) and is left as it is; "
                f'give the device another folder as its "cache", or empty this one'
            )
        if not names and status.st_mode & _OTHERS_MAY_WRITE:
            raise PermissionError(f'{folder} is shared with other users; give the device another folder as its "cache"')
        _make_marker(folder)
    _close_to_others(folder)
    return folder


def is_ours(folder: str) -> bool:
    """Whether the folder holds our marker, as a plain file of ours."""
    try:
        status = os.lstat(os.path.join(folder, MARKER))
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def private_folder(path: str) -> str:
    """A folder within our cache: made where it is missing, never a link, ours, closed to others.

    Raises PermissionError.
    """
    _make_private(path)
    if os.path.islink(path):
        raise PermissionError(f"{path} is a symbolic link, where bitlens keeps a folder of its own; remove the link")
    _close_to_others(path)
    return path


def read_whole(path: str, sha256: str) -> bytes | None:
    """The file's bytes if it is ours and they have this hash. Whatever else is in its place is removed.

    What is returned has been hashed itself, so that nobody can alter it between its check and its use.
    """
    with _opened(path) as file:
        content = file.read() if file is not None else None
    if content is not None and hashlib.sha256(content).hexdigest() == sha256:
        return content
    discard(path)
    return None


def is_whole(path: str, sha256: str) -> bool:
    """Whether the file is ours and has this hash, read piece by piece. Whatever else is in its place is removed."""
    whole = matches(path, sha256)
    if not whole:
        discard(path)
    return whole


def matches(path: str, sha256: str) -> bool:
    """Whether the file is ours, closed to others' writing, and has this hash."""
    with _opened(path) as file:
        return file is not None and hash_of(file) == sha256


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes] | None]:
    """The file if it is a plain one of ours that nobody else may write; else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # missing, a link, no permission
        yield None
        return
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        yield file if _is_private_file(os.fstat(file.fileno())) else None


def hash_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in iter(lambda: file.read(1 << 20), b""):
        digest.update(piece)
    return digest.hexdigest()


def discard(path: str) -> None:
    """Remove a file, a link itself, or a folder with all that is in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def write_whole(path: str, content: bytes) -> None:
    """The file under its name with all its bytes, or as it was before: also when the power fails at any moment."""
    descriptor, part = tempfile.mkstemp(prefix="part-", dir=os.path.dirname(path))
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    move_whole(part, path)


def move_whole(part: str, path: str) -> None:
    """Give a finished file or folder its name, once all of it is on the disk."""
    sync(part)
    os.replace(part, path)
    sync(os.path.dirname(path))


def sync(path: str) -> None:
    """Put a file or a folder's list of names on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_private(folder: str) -> None:
    if not os.path.lexists(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with suppress(FileExistsError):  # another agent was faster
            os.mkdir(folder, 0o700)
        sync(os.path.dirname(folder))


def _make_marker(folder: str) -> None:
    """Written in place: a moment's second file beside it would look like somebody's own. Its name is what counts."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(os.path.join(folder, MARKER), flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"This folder is bitlens' cache. What is in it may be removed at any time.\n")
        file.flush()
        os.fsync(descriptor)
    sync(folder)


def _left_by_earlier_versions(folder: str, names: list[str]) -> bool:
    """Only what we would execute or remove is looked at; what else is there is neither."""
    for name in set(names) & set(_BEFORE_MARKERS):
        place = os.path.join(folder, name)
        if os.path.islink(place) or not os.path.isdir(place):
            return False
        there = os.listdir(place)
        if not all(re.fullmatch(_BEFORE_MARKERS[name], other) for other in there):
            return False
        if name == "venv" and "bitlens-requirements" not in there:
            return False
    return True


def _refuse_what_anybody_could_move(folder: str) -> None:
    """In a folder that anybody may write to, and that is not sticky, anybody may put another in the place of ours."""
    parent = os.path.dirname(folder)
    while True:
        mode = os.stat(parent).st_mode
        if mode & _ANYBODY_MAY_WRITE and not mode & stat.S_ISVTX:
            raise PermissionError(
                f"{folder} lies in {parent}, to which every user may write; "
                f'give the device another folder as its "cache", or chmod o-w {parent}'
            )
        if parent == os.path.dirname(parent):
            return
        parent = os.path.dirname(parent)


def _owned_status(folder: str) -> os.stat_result:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionError(f"{folder} is not a folder; remove it, or give the device another folder as its cache")
    if status.st_uid != os.geteuid():
        raise PermissionError(
            f"{folder} belongs to user {status.st_uid}, and this runs as user {os.geteuid()}; "
            f"log in as its owner, or give the device another folder as its cache"
        )
    return status


def _close_to_others(folder: str) -> None:
    if stat.S_IMODE(_owned_status(folder).st_mode) & _OTHERS_MAY_READ:
        os.chmod(folder, 0o700)
        if stat.S_IMODE(os.lstat(folder).st_mode) & _OTHERS_MAY_WRITE:
            raise PermissionError(
                f"{folder} cannot be closed to other users, as on some file systems; "
                f"give the device a folder on another one as its cache"
            )


def _is_private_file(status: os.stat_result) -> bool:
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid == os.geteuid()
        and not stat.S_IMODE(status.st_mode) & _OTHERS_MAY_WRITE
    )
