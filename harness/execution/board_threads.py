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

from harness.execution.task import Finished, Order, perform
from harness.experiment.reader import Experiment
from harness.stages.context import Workshop
from harness.store.remote import Storage
from harness.store.unit_inputs import Shelf
from harness.store.units import Unit

Tell = Callable[[Unit, float], None]


class Boards:
    """What is finished is put into the queue `arrived`."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        arrived: SimpleQueue[Finished],
        tell: Tell,
        *,
        storage: Storage | None,
    ) -> None:
        self._experiment, self._folder, self._arrived, self._tell = experiment, folder, arrived, tell
        self._storage = storage
        self._orders: dict[str, SimpleQueue[Order]] = {}
        self.busy: set[str] = set()

    def hand_over(self, order: Order, board: str) -> None:
        self.busy.add(board)
        if board not in self._orders:
            self._orders[board] = SimpleQueue()
            threading.Thread(target=self._serve, args=(board,), name=board, daemon=True).start()
        self._orders[board].put(order)

    def _serve(self, board: str) -> None:
        shelf = Shelf(self._folder / "blobs", self._storage)
        workshop = Workshop(self._experiment, shelf)
        while True:
            order = self._orders[board].get()
            shelf.lay_out(order.inputs)
            finished = perform(order, workshop, partial(self._tell, order.unit))
            self.busy.discard(board)
            self._arrived.put(finished)
