"""The log of a run: all that was said and more, with its time, of every command that worked in the folder."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ConfigError, reason_of
from harness.saying import give_up, keep_in, record, say
from harness.store.folder import output_errors_explained

LOG = "bitlens.log"
_LINE = logging.Formatter("%(asctime)s  %(message)s", datefmt="%Y-%m-%d %H:%M:%S%z")
_FURTHER = "\n" + " " * len("2026-11-27 12:00:00+0000  ")  # lines of one saying


class _Log(logging.Handler):
    """What cannot be written into it ends no run: the store knows better what a full disk means."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.setFormatter(_LINE)
        self.descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record).replace("\n", _FURTHER) + "\n"
        try:
            os.write(self.descriptor, line.encode(errors="backslashreplace"))
        except OSError as error:
            self.setLevel(logging.CRITICAL)
            say(f"{LOG} cannot be written ({error.strerror}), and is not continued")


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """While the block runs, append what is said to the folder's log; at last, how it ended if it did not end well.

    A link in its place is not followed, and nothing that is not a file is taken for it. Raises ConfigError.
    """
    with _opened(folder) as descriptor:
        log = _Log(descriptor)
        keep_in(log)
        try:
            yield
        except BaseException as error:
            record(f"ended by {reason_of(error) if isinstance(error, Exception) else type(error).__name__}")
            raise
        finally:
            give_up(log)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with output_errors_explained(f'run folder "{folder}", its file "{LOG}"'):
        descriptor = os.open(folder / LOG, flags, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f'run folder "{folder}": expected a file, got something else named "{LOG}"')
        yield descriptor
    finally:
        os.close(descriptor)
