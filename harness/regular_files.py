"""Opens files that somebody else named: regular files of a bounded size, and nothing that blocks or acts when opened.

A pipe under the name of a picture would wait for ever, a device answer without end. What is wrong is one sentence.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from harness.errors import ConfigError

MIB = 2**20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path, *, where: str, at_most: int) -> BufferedReader:
    """The file, open for reading. Raises ConfigError that begins with `where` for anything but a regular file.

    at_most  bytes that it may have.
    """
    try:
        _check(os.stat(path), path, where=where, at_most=at_most)  # some devices act already when they are opened
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: {_why_not_open(path, error)}") from error
    try:
        _check(os.fstat(descriptor), path, where=where, at_most=at_most)  # it may be another one by now
    except ConfigError:
        file.close()
        raise
    return file


def read_regular(path: Path, *, where: str, at_most: int) -> bytes:
    """All bytes of a regular file. Raises ConfigError as `open_regular` does, also for a file that has no size."""
    with open_regular(path, where=where, at_most=at_most) as file:
        try:
            content = file.read(at_most + 1)
        except OSError as error:
            raise ConfigError(f'{where}: "{path}" could not be read ({error.strerror or error})') from error
    if len(content) > at_most:  # such as a file of /proc, which says that it is empty
        raise ConfigError(f'{where}: "{path}": expected {_mib(at_most)} at most, got more')
    return content


def read_text(path: Path, *, where: str, at_most: int) -> str:
    """The text of a UTF-8 file, without a byte order mark. Raises ConfigError, with the line of a wrong byte."""
    content = read_regular(path, where=where, at_most=at_most)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f'{where}: "{path}" {_why_not_utf8(content, error)}', hint="save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ConfigError(f'{where}: "{path}" line {line}: expected text, got a NUL byte')
    return text


def is_regular(path: Path) -> bool:
    """Whether a regular file itself is there, and no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def kind_of(path: Path) -> str:
    """ "" for a regular file, through links; else what is there, such as "a pipe" or "nothing"."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        links_in_a_ring = isinstance(error, OSError) and error.errno == errno.ELOOP
        return "links in a ring" if links_in_a_ring else "nothing"
    return "" if stat.S_ISREG(mode) else _kind(mode)


def _check(found: os.stat_result, path: Path, *, where: str, at_most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f'{where}: "{path}": expected a regular file, got {_kind(found.st_mode)}')
    if found.st_size > at_most:
        raise ConfigError(f'{where}: "{path}": expected {_mib(at_most)} at most, got {_mib(found.st_size)}')


def _kind(mode: int) -> str:
    return next((name for is_one, name in _KINDS if is_one(mode)), "something else")


def _mib(count: int) -> str:
    return f"{count / MIB:,.1f} MiB"


def _why_not_open(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f'found no file "{path}"'
    if isinstance(error, OSError):
        return f'"{path}" could not be read ({error.strerror or error})'
    return f'"{path}" is not the name of a file ({error})'  # a NUL in it


def _why_not_utf8(content: bytes, error: UnicodeDecodeError) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is not UTF-8 text but UTF-16"
    line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
    return f"line {line} is not UTF-8 text (byte 0x{byte:02X})"
