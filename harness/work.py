"""Doing one unit of work, wherever that is: what it builds on goes in, its outcome or the reason why not comes out.

It knows neither the database nor Dask. A worker's process, a board's thread and the tests all call `perform`.
"""

from __future__ import annotations

import errno
import time
import traceback
from dataclasses import dataclass
from typing import Any

from harness.errors import reason_of
from harness.shelf import Damaged
from harness.store import Outcome, StoredUnit, Unit
from harness.tables import resolve
from harness.workshop import Progress, Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A unit to be done. `function` names a function (unit, workshop, progress) -> Outcome."""

    unit: Unit
    function: str
    inputs: tuple[StoredUnit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a unit: its outcome, or the reason why there is none.

    damaged   a blob that the unit needed is not what its name says: what made it must be done again first.
    disk_full nothing more can be saved where the unit was done: no fault of the unit's.
    again     it was not even begun.
    """

    unit: Unit
    seconds: float
    outcome: Outcome | None = None
    reason: str = ""
    trace: str = ""
    damaged: str = ""
    disk_full: bool = False
    again: bool = False


def perform(order: Order, workshop: Workshop, progress: Progress = lambda share: None) -> Finished:
    """Do one unit in this process; whatever goes wrong becomes the reason."""
    began = time.monotonic()
    found: dict[str, Any] = {}
    try:
        found["outcome"] = resolve(order.function)(order.unit, workshop, progress)
    except Damaged as error:
        found.update(damaged=str(error), reason=f"the file {error} that it needs is damaged or gone")
    except Exception as error:  # it costs this unit and what builds on it, never the run
        trace = traceback.format_exc() + getattr(error, "remote_traceback", "")
        found.update(reason=reason_of(error), trace=trace, disk_full=is_disk_full(error))
    return Finished(unit=order.unit, seconds=time.monotonic() - began, **found)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that nothing more can be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def refers_to(unit: Unit) -> list[str]:
    """The keys of the units that this one builds on: those among the texts of its spec."""
    judge = unit.spec.get("judge")
    values = [*unit.spec.values(), *(judge.values() if isinstance(judge, dict) else ())]
    return [value for value in values if isinstance(value, str) and len(value) == 64]


def network_of(unit: Unit) -> str:
    """The network that a process must load to do the unit; "" for none."""
    model = unit.spec.get("model")
    return model["name"] if isinstance(model, dict) else ""


def device_of(unit: Unit) -> dict[str, Any] | None:
    """The device that does the unit or judges in it; None for what any worker can do."""
    judge = unit.spec.get("judge")
    device = unit.spec.get("device") or (judge.get("device") if isinstance(judge, dict) else None)
    return device if isinstance(device, dict) else None


def board_of(unit: Unit) -> str | None:
    device = device_of(unit)
    return device["name"] if device else None


def needs_quiet(unit: Unit) -> bool:
    """Whether the unit times something on this very machine, so that nothing else may run on it meanwhile."""
    device = device_of(unit)
    return unit.kind == "latency" and device is not None and device.get("kind", "local") == "local"
