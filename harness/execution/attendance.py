"""Whether a board is there: after a lost connection it is waited for before the next unit, for a bounded time.

A measurement that began is never repeated. What had not begun is done once the board is back; the units of a board that
does not come back end as "away": they stay planned, and the same command does them another time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

from harness.devices.device import Device
from harness.devices.last_seen import note
from harness.devices.retry import had_not_begun, may_be_away, wait_for, wait_seconds
from harness.devices.transport.faults import Away
from harness.execution.task import Task, TaskResult, perform
from harness.saying import duration, say
from harness.stages.context import Progress, RunContext
from harness.store.units import Unit

ATTEMPTS = 3  # at a unit that a board is lost in before it begins: it may be what makes the board fall
NOTE_SECONDS = 60.0
ReportWaiting = Callable[[Unit, str], None]  # called with the unit that waits, and for what


class Attendance:
    """One board's.

    device  None for a place that is no device, and therefore never away.   row  the device's, to remember it by.
    """

    def __init__(
        self, device: Device | None, report_waiting: ReportWaiting, *, row: dict[str, Any] | None = None
    ) -> None:
        self._device, self._report_waiting, self._row = device, report_waiting, row
        self._noted_at = -inf
        self._wait_s = wait_seconds(device) if device is not None else None
        self._lost = ""  # why the board may not be there, as long as nobody has looked
        self._away = ""  # why the board is not waited for any more

    def perform(self, task: Task, context: RunContext, progress: Progress) -> TaskResult:
        """Do a unit on the board, or find that the board is away."""
        for _ in range(ATTEMPTS):
            if not self._is_there(task.unit):
                return TaskResult(unit=task.unit, seconds=0.0, reason=self._away, away=True)
            errors: list[Exception] = []
            result = perform(task, context, progress, on_error=errors.append)
            error = errors[0] if errors else None
            if error is None:
                self._note_seen()
            if self._wait_s is None or error is None or not may_be_away(error):
                return result
            self._lost = _sentence(str(error).partition("\n  try: ")[0])
            if not had_not_begun(error):
                return result
        return replace(result, away=isinstance(error, Away))

    def _note_seen(self) -> None:
        """For `bitlens device list`; not after every one of many short units."""
        if self._row is not None and time.monotonic() - self._noted_at > NOTE_SECONDS:
            self._noted_at = time.monotonic()
            note(self._row["name"], self._row)

    def _is_there(self, unit: Unit) -> bool:
        if self._away or not self._lost or self._device is None or self._wait_s is None:
            return not self._away
        name, most = self._device.name, duration(self._wait_s)
        if self._wait_s:
            say(f"{name} does not answer; waiting for it, {most} at most: {self._lost}")
        waited = 0.0

        def on_wait(seconds: float) -> None:
            nonlocal waited
            waited = seconds
            self._report_waiting(unit, f"waiting for {name}, {duration(seconds)} of {most}")

        problem = wait_for(self._device, at_most_s=self._wait_s, on_wait=on_wait)
        self._lost = ""
        if problem is None:
            say(f"{name} is back after {duration(waited)}")
            return True
        problem = _sentence(problem)
        self._away = f"board away: it did not answer{f' for {most}' if self._wait_s else ''}: {problem}"
        say(f"{name} is away; its units wait for the next run: {problem}")
        return False


def _sentence(text: str) -> str:
    """On one line, as progress and tables want it."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
