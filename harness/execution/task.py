"""Doing one unit of work, wherever that is: what it builds on goes in; its outcome, or the reason for none, comes out.

It knows neither the database nor Dask. A worker's process, a board's thread and the tests all call `perform`.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.errors import reason_of
from harness.registry import resolve
from harness.stages.context import Progress, RunContext
from harness.store.blobs import Damaged
from harness.store.folder import is_disk_full
from harness.store.units import Outcome, StoredUnit, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A unit to do. `function` names a function (unit, context, progress) -> Outcome; `key` takes a hash to compute."""

    key: str
    unit: Unit
    function: str
    inputs: tuple[StoredUnit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What became of a unit: its outcome, or the reason why there is none.

    damaged    the input with a file that is not what its name says: it must be done again first.
    disk_full  nothing more can be saved where the unit was done, which is not the unit's fault.
    again      the unit came back undone, and is to be done elsewhere.
    away       the unit was not begun, because its board, or that of what it needs, is away.
    """

    unit: Unit
    seconds: float
    outcome: Outcome | None = None
    reason: str = ""
    trace: str = ""
    damaged: StoredUnit | None = None
    disk_full: bool = False
    again: bool = False
    away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A unit's result, from whom, and whether that process has grown so much that it should be restarted."""

    result: TaskResult
    address: str
    has_grown: bool


def perform(
    task: Task,
    context: RunContext,
    progress: Progress = lambda fraction: None,
    *,
    on_error: Callable[[Exception], None] = lambda error: None,
) -> TaskResult:
    """Do one unit in this process; whatever goes wrong becomes the reason.

    on_error  given the error itself, for who must know more than the reason.
    """
    began = time.monotonic()
    result: dict[str, Any] = {}
    try:
        result["outcome"] = resolve(task.function)(task.unit, context, progress)
    except Damaged as error:
        blob = str(error)
        source = next((stored for stored in task.inputs if blob in stored.result.values()), None)
        result.update(damaged=source, reason=f"the file {blob} that it needs is damaged or gone")
    except Exception as error:  # it costs this unit and what builds on it, never the run
        on_error(error)
        trace = traceback.format_exc() + getattr(error, "remote_traceback", "")
        result.update(reason=reason_of(error), trace=trace, disk_full=is_disk_full(error))
    return TaskResult(unit=task.unit, seconds=time.monotonic() - began, **result)
