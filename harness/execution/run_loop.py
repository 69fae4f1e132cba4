"""Units on their way through a run, one module after the other:

dispatcher        which unit is next, and where it may be done
run_loop          the unit becomes a task, with the results that it builds on
dask_pool         hands it to a worker, which performs it (dask_worker); or board_threads to a board (task.perform)
result_fetcher    puts what a worker returns into the queue in which everything arrives
result_committer  stores it
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue

from harness.execution.board_threads import BoardThreads
from harness.execution.dask_pool import WorkerPool
from harness.execution.dispatcher import Dispatcher, QueuedUnit, builds_on
from harness.execution.progress import RunProgress
from harness.execution.result_committer import ResultCommitter
from harness.execution.result_fetcher import Returned
from harness.execution.sizing import WorkerConfig
from harness.execution.task import Task, TaskResult
from harness.experiment.experiment import Experiment
from harness.saying import detail, say
from harness.stages.stage_table import STAGES
from harness.stages.unit_spec import board_of, describe
from harness.store.database import Store
from harness.store.units import StoredUnit, Unit

COORDINATOR = "coordinator"  # the place of units that need files which only this machine has
LOOK_SECONDS = 1.0  # how long to wait for something to arrive before looking who is there


class RunLoop:
    """Units on their way: handed to workers and boards, and committed in the order in which they come back."""

    def __init__(
        self,
        store: Store,
        experiment: Experiment,
        worker_config: WorkerConfig,
        *,
        units: Iterable[Unit],
        progress: RunProgress,
    ) -> None:
        self._store, self._worker_config, self._progress = store, worker_config, progress
        self._arrived: SimpleQueue[TaskResult | Returned] = SimpleQueue()
        self._dispatcher = Dispatcher(units, board_for=self._board_for)
        self._pool = WorkerPool(worker_config, experiment, store.folder, self._arrived)
        self._boards = BoardThreads(
            experiment,
            store.folder,
            self._arrived,
            self._report_progress,
            self._report_waiting,
            storage=self._pool.storage,
        )
        self.away: dict[str, str] = {}  # the units that were not begun, by key, with the reason
        self._committer = ResultCommitter(store)

    def perform(self) -> None:
        try:
            while not self._dispatcher.is_finished():
                self._pool.look()
                self._hand_out()
                self._keep(self._receive(wait_seconds=LOOK_SECONDS))
        except KeyboardInterrupt:
            self._keep(self._receive(wait_seconds=0.0))
            raise
        finally:
            self._pool.close()

    # ------------------------------------------------------------------------------------------------- handing out
    def _hand_out(self) -> None:
        """Give every worker and board that is free something to do."""
        for queued in self._dispatcher.next_for_boards(self._boards.busy):
            if task := self._task(queued):
                self._boards.hand_over(task, str(queued.board))
        while self._dispatcher.has_for_workers() and self._hand_each_worker_one():
            pass

    def _hand_each_worker_one(self) -> bool:
        """One more unit for each worker that wants one. Returns whether any was given."""
        is_given = False
        for address, model in self._pool.idle().items():
            task = self._task_for_worker(model, held_by_others=self._pool.models_elsewhere(address))
            if task is not None:
                self._pool.hand_over(task, address)
                is_given = True
        return is_given

    def _task_for_worker(self, model: str, *, held_by_others: Collection[str]) -> Task | None:
        while queued := self._dispatcher.next_for_worker(model, held_by_others=held_by_others):
            if task := self._task(queued):
                return task
        return None

    def _task(self, queued: QueuedUnit) -> Task | None:
        """The unit with the results that it builds on; None, and a result without an outcome, if one is lacking."""
        unit = queued.unit
        away = next((self.away[key] for key in unit.needs.values() if key in self.away), None)
        if away is not None:
            self._arrived.put(TaskResult(unit=unit, seconds=0.0, reason=away, away=True))
            return None
        inputs = {key: stored for key in builds_on(unit) if (stored := self._stored(key)) is not None}
        if any(key not in inputs for key in unit.needs.values()):  # it was damaged, and is being made again
            self._arrived.put(TaskResult(unit=unit, seconds=0.0, again=True))
            return None
        for stored in map(inputs.__getitem__, unit.needs.values()):
            if stored.status == "failed":
                reason = f"needs the {stored.kind}, which failed: {stored.reason}"
                self._arrived.put(TaskResult(unit=unit, seconds=0.0, reason=reason))
                return None
        self._progress.began(unit)
        self._report_progress(unit, 0.0)
        return Task(key=queued.key, unit=unit, function=STAGES[unit.kind].perform, inputs=tuple(inputs.values()))

    def _stored(self, key: str) -> StoredUnit | None:
        try:
            return self._store.unit(key)
        except KeyError:  # not planned, or damaged and forgotten
            return None

    def _board_for(self, unit: Unit) -> str | None:
        """Images are prepared here where workers may not see the data set."""
        return COORDINATOR if unit.kind == "images" and self._worker_config.storage else board_of(unit)

    # -------------------------------------------------------------------------------------------------- coming back
    def _receive(self, *, wait_seconds: float) -> list[TaskResult]:
        """All that has arrived since the last time; waits for the first."""
        results: list[TaskResult] = []
        with suppress(Empty):
            arrival = self._arrived.get(timeout=wait_seconds) if wait_seconds else self._arrived.get_nowait()
            while True:
                result = self._pool.receive(arrival) if isinstance(arrival, Returned) else arrival
                if result is not None:
                    results.append(result)
                arrival = self._arrived.get_nowait()
        return results

    def _keep(self, results: Iterable[TaskResult]) -> None:
        """Commit what arrived, then let the dispatcher and the person at the keyboard know."""
        committed = self._committer.commit(results)
        for repeat in committed.repeats:
            if repeat.after is not None:
                say(f"damaged or gone: what {describe(repeat.after)} made; it is made again")
            self._progress.put_back(repeat.unit, comes_again=True)
            self._dispatcher.again(repeat.unit, after=repeat.after)
        for result in committed.away:
            self.away[result.unit.key] = result.reason
            self._progress.put_back(result.unit, comes_again=False)
            self._dispatcher.finished(result.unit.key)
        for result in committed.stored:
            self._dispatcher.finished(result.unit.key)
            self._report_result(result)

    def _report_progress(self, unit: Unit, fraction: float) -> None:
        self._progress.working_on(unit, describe(unit), fraction)

    def _report_waiting(self, unit: Unit, what: str) -> None:
        self._progress.working_on(unit, what, 0.0)

    def _report_result(self, result: TaskResult) -> None:
        unit, failed = result.unit, result.outcome is None
        self._progress.finished_one(unit, seconds=result.seconds, failed=failed)
        if failed:
            say(f"failed: {STAGES[unit.kind].doing}, {describe(unit)}: {result.reason}")
        if failed and result.trace:
            (say if os.environ.get("BITLENS_DEBUG") else detail)(result.trace)
