"""Devices at work: a thread for each board, one job at a time, several boards at once.

They stay with the coordinator, whose machine they hang on. A thread dies with the process, and the agent on the board
with the pipe that it hangs on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from harness.execution.task import Task, TaskResult, perform
from harness.experiment.experiment import Experiment
from harness.stages.context import RunContext
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs
from harness.store.units import Unit

Tell = Callable[[Unit, float], None]


class BoardThreads:
    """What is finished is put into the queue `arrived`."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        arrived: SimpleQueue[TaskResult],
        tell: Tell,
        *,
        storage: Storage | None,
    ) -> None:
        self._experiment, self._folder, self._arrived, self._tell = experiment, folder, arrived, tell
        self._storage = storage
        self._tasks: dict[str, SimpleQueue[Task]] = {}
        self.busy: set[str] = set()

    def hand_over(self, order: Task, board: str) -> None:
        self.busy.add(board)
        if board not in self._tasks:
            self._tasks[board] = SimpleQueue()
            threading.Thread(target=self._serve, args=(board,), name=board, daemon=True).start()
        self._tasks[board].put(order)

    def _serve(self, board: str) -> None:
        unit_inputs = UnitInputs(self._folder / "blobs", self._storage)
        context = RunContext(self._experiment, unit_inputs)
        while True:
            order = self._tasks[board].get()
            unit_inputs.set_inputs(order.inputs)
            finished = perform(order, context, partial(self._tell, order.unit))
            self.busy.discard(board)
            self._arrived.put(finished)
