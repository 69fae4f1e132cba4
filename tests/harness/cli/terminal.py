"""The installed command in a pseudo-terminal: what a person sees there, and what happens when a person presses keys."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pytest

BITLENS = Path(sys.executable).with_name("bitlens")
CTRL_C = b"\x03"
MOST_SECONDS = 240.0  # of silence: what never comes is a failure, and not a test that hangs
_AS_IN_A_TERMINAL = (  # where Ctrl-C is heard, even if this process was started in the background, which ignores it
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """`bitlens` with these arguments, in a terminal of its own. `shown` is all that has been seen there so far."""

    def __init__(self, arguments: Iterable[str], *, folder: Path | None = None, **environment: str) -> None:
        try:
            self._ours, theirs = pty.openpty()
        except OSError as error:  # as in a chroot without /dev/pts
            pytest.skip(f"no pseudo-terminal here: {error}")
        self.shown = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AS_IN_A_TERMINAL, BITLENS, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "", **environment},
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, text: str) -> None:
        """Until this text has been shown."""
        while text not in self.shown:
            assert self._read(), f'ended before it showed "{text}":\n{self.shown}'

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def end(self) -> int:
        """Wait for the end of the command; its exit status."""
        while self._read():
            pass
        return self._process.wait(MOST_SECONDS)

    def _read(self) -> bool:
        """Some of what is written; False once all who could write are gone."""
        began = time.monotonic()
        assert select.select([self._ours], [], [], MOST_SECONDS)[0], (
            f"silent for {time.monotonic() - began:.0f} s after:\n{self.shown}"
        )
        try:
            self.shown += os.read(self._ours, 65_536).decode(errors="replace")
        except OSError:  # what Linux says of a terminal that nobody has open any more
            return False
        return True


def in_terminal(arguments: Iterable[str], **environment: str) -> str:
    """All that a command shows that ends by itself."""
    with Terminal(arguments, **environment) as terminal:
        terminal.end()
        return terminal.shown
