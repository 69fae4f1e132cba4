"""Which worker has which units in hand, which model it holds, and who wants more. It knows nothing of Dask.

A worker gets further units before it has done the last one as long as they are short, so that it does not wait for
them. The units that a worker had when it died are suspects: each is then done alone, so that it is known which kills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

from harness.execution.task import Task, TaskResult
from harness.plan.estimate import Group, group_of
from harness.stages.unit_spec import model_of

ATTEMPTS = 2  # workers that may die of a unit before it has failed
DEPTH = 8  # units that a worker has at most, including the one that it is doing
AHEAD_SECONDS = 0.25  # a worker with this much to do gets nothing more: what waits there, another one may be free for


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A unit in a worker's hands. `future` is what Dask will say of it."""

    task: Task
    address: str
    future: Any


@dataclass(slots=True, kw_only=True)
class _Worker:
    model: str = ""
    in_hand: list[str] = field(default_factory=list)  # keys of units
    is_leaving: bool = False  # restarted when it has done what it has


class WorkerLedger:
    """The workers by address, and the units that they have by key."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._assignments: dict[str, Assignment] = {}
        self._lost: Counter[str] = Counter()  # how many workers were lost that had this unit
        self._seconds: dict[Group, float] = {}  # what the latest unit of each group took

    # ------------------------------------------------------------------------------------------------------ workers
    def update(self, addresses: Collection[str]) -> None:
        """Only these workers are there now."""
        self._workers = {address: self._workers.get(address) or _Worker() for address in addresses}

    def idle(self) -> dict[str, str]:
        """The workers that want another unit, those that have fewest, and the model that each holds then."""
        wanting = {address: worker for address, worker in self._workers.items() if self._wants_more(worker)}
        fewest = min((len(worker.in_hand) for worker in wanting.values()), default=0)
        return {address: worker.model for address, worker in wanting.items() if len(worker.in_hand) == fewest}

    def models_elsewhere(self, address: str) -> set[str]:
        """The models that other workers hold."""
        return {worker.model for other, worker in self._workers.items() if other != address}

    def mark_leaving(self, address: str) -> None:
        """Give this worker nothing more: it is to be restarted."""
        if address in self._workers:
            self._workers[address].is_leaving = True

    def may_restart(self, address: str) -> bool:
        """Whether a worker was marked as leaving and has nothing left to do."""
        worker = self._workers.get(address)
        return worker is not None and worker.is_leaving and not worker.in_hand

    def _wants_more(self, worker: _Worker) -> bool:
        """Units are short if the last ones of their group were; the first of a group may take any time."""
        if worker.is_leaving or not worker.in_hand:
            return not worker.is_leaving
        units = (self._assignments[key].task.unit for key in worker.in_hand)
        seconds = sum(self._seconds.get(group_of(unit), inf) for unit in units)
        return not self._lost and len(worker.in_hand) < DEPTH and seconds < AHEAD_SECONDS

    # -------------------------------------------------------------------------------------------------------- units
    def assign(self, task: Task, address: str, future: Any) -> None:
        worker = self._workers[address]
        worker.in_hand.append(task.key)
        worker.model = model_of(task.unit) or worker.model
        self._assignments[task.key] = Assignment(task=task, address=address, future=future)

    def assignment(self, key: str) -> Assignment | None:
        return self._assignments.get(key)

    def assignments(self) -> list[Assignment]:
        return list(self._assignments.values())

    def orphans(self) -> Iterator[Assignment]:
        """Units whose worker is not there any more."""
        return (each for each in self.assignments() if each.address not in self._workers)

    def release(self, key: str) -> Task:
        """A unit is in nobody's hands any more."""
        assignment = self._assignments.pop(key)
        worker = self._workers.get(assignment.address)
        if worker is not None and key in worker.in_hand:  # not in the hands of a new one at the old one's address
            worker.in_hand.remove(key)
        return assignment.task

    def is_done(self, key: str, result: TaskResult) -> None:
        """A worker survived this unit, and it took so long."""
        self._lost.pop(key, None)
        self._seconds[group_of(result.unit)] = result.seconds

    def must_give_up(self, key: str) -> bool:
        """One more worker was lost with this unit in hand. Returns whether that was the last attempt."""
        self._lost[key] += 1
        if self._lost[key] < ATTEMPTS:
            return False
        del self._lost[key]
        return True
