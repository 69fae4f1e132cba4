"""How local workers died: Dask's nannies write it to their log only, so we read that."""

from __future__ import annotations

import logging
import re
import signal
from pathlib import Path

_NANNY = "distributed.nanny"


class NannyLog(logging.Handler):
    """Remembers what was logged about each process; keeps Dask's own lines off the terminal."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: dict[int, list[str]] = {}

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

    def cause_of_death(self, pid: int) -> str:
        """ " of signal SIGKILL", and what that is likely to mean; "" where nobody knows."""
        logged = " ".join(self._lines.get(pid, ()))
        if "memory budget" in logged:
            return ": it took more memory than a worker may; --memory sets how much that is"
        killed, exited = re.search(r"killed by signal (\d+)", logged), re.search(r"exited with status (\d+)", logged)
        if killed:
            number = int(killed[1])
            hint = "; the system may have run out of memory" if number == signal.SIGKILL else ""
            return f" of signal {signal.Signals(number).name}{hint}"
        return f" with exit code {exited[1]}" if exited else ""

    def last_words(self, folder: Path, key: str) -> str:
        """How the last process died that did the unit, and the last line that it wrote.

        folder  where workers leave what they wrote during a unit that they did not finish, as <key>.<pid>; each file
                is read once.
        """
        logs = sorted(folder.glob(f"{key}.*"), key=lambda path: path.stat().st_mtime)
        if not logs:
            return "its worker died"
        cause = self.cause_of_death(int(logs[-1].suffix[1:]))
        lines = [line.strip() for line in logs[-1].read_text(errors="replace").splitlines() if line.strip()]
        for log in logs:
            log.unlink(missing_ok=True)
        return f"its process died{cause}" + (f"; it last said: {lines[-1][:300]}" if lines else "")
