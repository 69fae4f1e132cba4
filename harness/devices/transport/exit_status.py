"""How a process ended, by its exit status. subprocess reports death by signal n as -n, shells and ssh as 128 + n."""

from __future__ import annotations

import signal

SSH_FAILED = 255  # ssh's own failures: what it connected to is out of reach


def signal_number(status: int) -> int:
    """The signal that ended a process, or 0."""
    if status < 0:
        return -status
    return status - 128 if 128 < status < 160 else 0


def in_words(status: int | None) -> str:
    """None is the status of a process that has not ended."""
    if status is None:
        return "it hung up, but has not ended"
    number = signal_number(status)
    if number:
        words = (signal.strsignal(number) or "unknown").lower()
        return f"signal {number} ({words}{', often for lack of memory' if number == signal.SIGKILL else ''})"
    return "connection cut" if status == SSH_FAILED else f"exit status {status}"
