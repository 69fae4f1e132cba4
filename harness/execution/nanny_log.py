"""How local workers died: Dask's nannies write it to their log only, so we read that."""

from __future__ import annotations

import logging
import re
import signal
from dataclasses import dataclass
from pathlib import Path

_NANNY, _TOO_LARGE = "distributed.nanny", "memory budget"  # a logger, and what it says of a process that it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What a worker died of. `is_chance`: it was killed by others, which need not happen again."""

    cause: str
    is_chance: bool


class NannyLog(logging.Handler):
    """Remembers what was logged about each process; keeps Dask's own lines off the terminal."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: dict[int, list[str]] = {}
        self._died: list[int] = []  # processes, in the order in which they did

    def listen(self) -> None:
        for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [self], False
        logging.getLogger(_NANNY).setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        process = re.search(r"(?:process |pid=)(\d+)", line)
        if process:
            self._lines.setdefault(int(process[1]), []).append(line)
            if line.startswith("Worker process") and re.search("killed by|exited with", line):
                self._died.append(int(process[1]))

    @property
    def deaths(self) -> int:
        """How many processes have died."""
        return len(self._died)

    def latest_death(self) -> Death:
        pid = self._died[-1]
        logged = self._logged(pid)
        is_chance = "killed by" in logged and _TOO_LARGE not in logged
        return Death(cause=f"its process died{self.cause_of_death(pid)}", is_chance=is_chance)

    def _logged(self, pid: int) -> str:
        return " ".join(self._lines.get(pid, ()))

    def cause_of_death(self, pid: int) -> str:
        """ " of signal SIGKILL", and what that is likely to mean; "" where nobody knows."""
        logged = self._logged(pid)
        if _TOO_LARGE in logged:
            return ": it took more memory than a worker is allowed; --memory sets how much that is"
        killed, exited = re.search(r"killed by signal (\d+)", logged), re.search(r"exited with status (\d+)", logged)
        if killed:
            number = int(killed[1])
            hint = "; the system may have run out of memory" if number == signal.SIGKILL else ""
            return f" of signal {signal.Signals(number).name}{hint}"
        return f" with exit code {exited[1]}" if exited else ""

    def last_words(self, folder: Path, key: str) -> str:
        """How the last process died that did the unit, and the last line that it wrote; "" if it had not begun.

        folder  where workers leave what they wrote during a unit that they did not finish, as <key>.<pid>; each file
                is read once.
        """
        logs = sorted(folder.glob(f"{key}.*"), key=lambda path: path.stat().st_mtime)
        if not logs:
            return ""
        cause = self.cause_of_death(int(logs[-1].suffix[1:]))
        lines = [line.strip() for line in logs[-1].read_text(errors="replace").splitlines() if line.strip()]
        for log in logs:
            log.unlink(missing_ok=True)
        return f"its process died{cause}" + (f"; it last said: {lines[-1][:300]}" if lines else "")
