"""Boards at work: a thread for each, one unit at a time, several boards at once.

They stay with the coordinator, to whose machine they are attached. A thread ends with the process, and the agent on the
board with the pipe that connects the two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from harness.devices.device import make_device
from harness.execution.attendance import Attendance, ReportWaiting
from harness.execution.task import Task
from harness.experiment.experiment import Experiment
from harness.stages.context import RunContext
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs
from harness.store.units import Unit

ReportProgress = Callable[[Unit, float], None]  # called with a unit and the fraction of it that is done, 0 … 1


class BoardThreads:
    """Puts each TaskResult into the queue `arrived`."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        arrived: SimpleQueue[Any],
        report_progress: ReportProgress,
        report_waiting: ReportWaiting,
        *,
        storage: Storage | None,
    ) -> None:
        self._experiment, self._folder, self._storage = experiment, folder, storage
        self._arrived, self._report_progress, self._report_waiting = arrived, report_progress, report_waiting
        self._tasks: dict[str, SimpleQueue[Task]] = {}
        self.busy: set[str] = set()

    def hand_over(self, task: Task, board: str) -> None:
        self.busy.add(board)
        if board not in self._tasks:
            self._tasks[board] = SimpleQueue()
            threading.Thread(target=self._serve, args=(board,), name=board, daemon=True).start()
        self._tasks[board].put(task)

    def _serve(self, board: str) -> None:
        unit_inputs = UnitInputs(self._folder / "blobs", self._storage)
        context = RunContext(self._experiment, unit_inputs)
        row = next((device.address() for device in self._experiment.devices if device.name == board), None)
        attendance = Attendance(make_device(row) if row else None, self._report_waiting, row=row)
        while True:
            task = self._tasks[board].get()
            unit_inputs.set_inputs(task.inputs)
            result = attendance.perform(task, context, partial(self._report_progress, task.unit))
            self.busy.discard(board)
            self._arrived.put(result)
