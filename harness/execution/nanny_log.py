"""How local workers died: Dask's nannies say so to their log only, and that is where we listen."""

from __future__ import annotations

import logging
import re
import signal

_NANNY = "distributed.nanny"


class NannyLog(logging.Handler):
    """Remembers what was logged of each process; Dask's own lines are kept from the terminal."""

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
        found = re.search(r"(?:process |pid=)(\d+)", line)
        if found:
            self._lines.setdefault(int(found[1]), []).append(line)

    def of(self, pid: int) -> str:
        """ " of signal SIGKILL", and what that is likely to mean; "" where nobody knows."""
        said = " ".join(self._lines.get(pid, ()))
        if "memory budget" in said:
            return ": it took more memory than a worker may; --memory sets how much that is"
        killed, exited = re.search(r"killed by signal (\d+)", said), re.search(r"exited with status (\d+)", said)
        if killed:
            number = int(killed[1])
            hint = "; the system may have run out of memory" if number == signal.SIGKILL else ""
            return f" of signal {signal.Signals(number).name}{hint}"
        return f" with exit code {exited[1]}" if exited else ""
