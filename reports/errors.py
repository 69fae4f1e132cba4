"""What can go wrong in a report; the command line wraps it for the person at the keyboard."""

from __future__ import annotations

from harness.store import DamagedRun, UnreadableStore


class ReportError(Exception):
    """A report that cannot be made, or runs that cannot be compared: where, what was expected, what came."""

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


def reason_of(error: Exception) -> str:
    """Our own sentence, or a foreign error with its type."""
    is_ours = isinstance(error, (DamagedRun, ReportError, UnreadableStore))
    return str(error) if is_ours else f"{type(error).__name__}: {error}"
