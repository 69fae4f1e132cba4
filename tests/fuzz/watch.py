"""What Python itself does while a file is read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

HARM = (
    "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "socket.bind", "pty.spawn",
)  # fmt: skip
STARTS = ("subprocess.Popen", "os.posix_spawn")  # from Python 3.13 on one leads to the other


class Watch:
    """What Python itself does while a file is read: programs, sockets and files that are written elsewhere."""

    def __init__(self, temporary: Path) -> None:
        self.seen: list[str] = []
        self.active = False
        self._temporary = str(temporary)
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in HARM and not (event in STARTS and _is_ours(arguments)):
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            self._look_at_open(os.fsdecode(arguments[0]), arguments[1], arguments[2])

    def _look_at_open(self, path: str, mode: Any, flags: Any) -> None:
        writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else False
        writes = writes or (isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))
        ours = path.startswith((self._temporary, "/dev/null", "/proc/")) or "__pycache__" in path
        if writes and not ours:
            self.seen.append(f"open {path} {mode} {flags}")


def _is_ours(arguments: tuple[Any, ...]) -> bool:
    """The examiner, and what libraries ask the system when they are imported."""
    program, command = str(arguments[0]), [str(part) for part in arguments[1] or ()]
    return "harness.models.examiner" in command or (program, *command[1:]) in (("uname", "-p"), ("lscpu",))
