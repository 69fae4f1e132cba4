"""A run: open the store, plan, and have done what is missing, by local workers, a cluster and the boards.

The coordinator alone writes the database, and whatever is finished is committed at once, so a run that is killed at any
moment is continued by the same command, and a run that is complete does nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import distributions, version
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.execution.board_threads import BoardThreads
from harness.execution.dask_pool import WorkerPool
from harness.execution.dispatcher import Dispatcher, builds_on
from harness.execution.progress import Tally, run_progress
from harness.execution.sizing import WorkerConfig
from harness.execution.task import Task, TaskResult
from harness.experiment.experiment import Experiment
from harness.plan.planner import each_unit, plan, restrict
from harness.stages.context import RunContext
from harness.stages.stage_table import STAGES
from harness.stages.unit_spec import board_of, describe
from harness.store.database import Store
from harness.store.folder import only_run_in, store_errors_explained
from harness.store.migration import SCHEMA_VERSION
from harness.store.units import StoredUnit, Unit, canonical_json

COORDINATOR = "coordinator"  # the place of units that need files which only this machine has
LOOK_SECONDS = 1.0  # how long to wait for something to arrive before looking for new workers


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a run ended: `done_before` units were in the store already, `done` and `failed` are those of this command."""

    folder: Path
    done_before: int
    done: int
    failed: int
    failed_before: int


def run(
    experiment: Experiment,
    folder: Path,
    *,
    retry_failed: bool = False,
    stages: Collection[str] = tuple(STAGES),
    worker_config: WorkerConfig | None = None,
    command: str = "",
) -> RunSummary:
    """Do every unit of the experiment that the folder's store does not have yet.

    stages  do only these, and what they build on; the rest of the plan stays to be done.
    team    who does them; by default as many processes of this machine as its cores and memory allow.
    """
    with opened(experiment, folder) as store:
        store.set_meta("command", command)  # with which a shell makes the run again, from any folder; "" says nothing
        if retry_failed:
            store.forget_failures()
        return perform_missing(
            store, experiment, worker_config or WorkerConfig(), part=_part(experiment, store, stages)
        )


@contextmanager
def opened(experiment: Experiment, folder: Path) -> Iterator[Store]:
    """The store of a run, with the experiment's plan in it, for this process alone."""
    folder.mkdir(parents=True, exist_ok=True)
    with only_run_in(folder), store_errors_explained(), Store(folder) as store:
        if store.schema_found < SCHEMA_VERSION:
            _say(f"{folder}: of an older bitlens, brought to schema {SCHEMA_VERSION}; what was done stays done")
        _prepare(store, experiment)
        yield store


def perform_missing(
    store: Store, experiment: Experiment, worker_config: WorkerConfig, *, part: Collection[str] | None = None
) -> RunSummary:
    """Do the planned units that the store does not have; only those with these keys, if any are given."""
    before = store.counts(part)
    units, missing = sum(sum(of.values()) for of in before.values()), _sum(before, "planned")
    _say(f"{experiment.name}: {units} units of work, {units - missing} done before, {missing} to do")
    _Run(store, experiment, worker_config, before).perform(u for u in store.missing() if part is None or u.key in part)
    after = store.counts(part)
    return RunSummary(
        folder=store.folder,
        done_before=_sum(before, "done"),
        done=_sum(after, "done") - _sum(before, "done"),
        failed=_sum(after, "failed") - _sum(before, "failed"),
        failed_before=_sum(before, "failed"),
    )


def _prepare(store: Store, experiment: Experiment) -> None:
    """Tidy up after a run that was killed, and write down what this one is to do."""
    store.discard_parts()
    shutil.rmtree(store.folder / "logs", ignore_errors=True)
    damaged = store.forget_damaged("conversion")
    if damaged:
        _say(f"{damaged} artifacts are damaged or gone; they are made again")
    store.replace_plan(each_unit(experiment, RunContext(experiment, store).dataset_of), kinds=tuple(STAGES))
    store.set_meta("experiment_name", experiment.name)
    store.set_meta("experiment", experiment.text)
    store.set_meta("bitlens", version("bitlens"))
    store.set_meta("versions", canonical_json(_versions()))


def _versions() -> dict[str, str]:
    """What is installed of the packages that results depend on."""
    names = ("tensorflow-cpu", "tensorflow", "larq", "larq-compute-engine", "numpy", "tflite-runtime", "ai-edge-litert")
    return {d.name: d.version for d in distributions() if d.name in names}


def _part(experiment: Experiment, store: Store, stages: Collection[str]) -> set[str] | None:
    """The keys of the units that these stages need; None for all."""
    if set(stages) == set(STAGES):
        return None
    return {unit.key for unit in restrict(plan(experiment, RunContext(experiment, store).dataset_of), stages)}


def _sum(counts: dict[str, dict[str, int]], status: str) -> int:
    return sum(of_kind[status] for of_kind in counts.values())


class _Run:
    """Units on their way: handed to workers and boards, and committed in the order in which they come back."""

    def __init__(
        self, store: Store, experiment: Experiment, worker_config: WorkerConfig, counts: dict[str, dict[str, int]]
    ) -> None:
        self._store, self._worker_config = store, worker_config
        self._arrived: SimpleQueue[Any] = SimpleQueue()
        self._pool = WorkerPool(worker_config, experiment, store.folder, self._arrived)
        self._boards = BoardThreads(experiment, store.folder, self._arrived, self._tell, storage=self._pool.storage)
        self._stages = {kind: _tally(kind, of_kind) for kind, of_kind in counts.items()}
        self._stored = lru_cache(maxsize=256)(store.unit)
        self._remade: set[str] = set()

    def perform(self, units: Iterable[Unit]) -> None:
        self._dispatcher = Dispatcher(units, board_for=self._board_for)
        try:
            with run_progress(self._stages) as self._progress:
                while not self._dispatcher.is_finished():
                    self._pool.look()
                    doomed = self._hand_over()
                    self._keep(doomed or self._receive(wait_seconds=LOOK_SECONDS))
        except KeyboardInterrupt:
            self._keep(self._receive(wait_seconds=0.0))
            raise
        finally:
            self._pool.close()

    def _board_for(self, unit: Unit) -> str | None:
        """Images are prepared here where workers may not see the data set."""
        return COORDINATOR if unit.kind == "images" and self._worker_config.storage else board_of(unit)

    # ------------------------------------------------------------------------------------------------- handing over
    def _hand_over(self) -> list[TaskResult]:
        """Give every worker and board that is free something to do. Returns the units that cannot be done at all."""
        doomed: list[TaskResult] = []
        for following in self._dispatcher.next_for_boards(self._boards.busy):
            order = self._task(following.unit)
            if isinstance(order, TaskResult):
                doomed.append(order)
            else:
                self._boards.hand_over(order, str(following.board))
        while self._dispatcher.has_for_workers() and self._give_one_each(doomed):
            pass
        return doomed

    def _give_one_each(self, doomed: list[TaskResult]) -> bool:
        """One more unit for each worker that wants one. Returns whether any was given."""
        has_given = False
        for address, model in self._pool.idle().items():
            while found := self._dispatcher.next_for_worker(model, held_by_others=self._pool.models(address)):
                order = self._task(found.unit)
                if isinstance(order, Task):
                    self._pool.hand_over(order, found.key, address)
                    has_given = True
                    break
                doomed.append(order)
        return has_given

    def _task(self, unit: Unit) -> Task | TaskResult:
        """The unit with the results that it builds on, or why it cannot be done: one of them failed."""
        inputs = self._inputs(unit)
        for stored in inputs:
            if stored.status == "failed" and stored.key in unit.needs.values():
                return TaskResult(
                    unit=unit, seconds=0.0, reason=f"needs the {stored.kind}, which failed: {stored.reason}"
                )
        if not {stored.key for stored in inputs}.issuperset(unit.needs.values()):
            return TaskResult(unit=unit, seconds=0.0, again=True)  # one was damaged, and is being made again
        self._tell(unit, 0.0)
        return Task(unit=unit, function=STAGES[unit.kind].perform, inputs=inputs)

    def _inputs(self, unit: Unit) -> tuple[StoredUnit, ...]:
        """What it needs, and what is there of that which saves it work."""
        return tuple(stored for key in builds_on(unit) if (stored := self._input(key)) is not None)

    def _input(self, key: str) -> StoredUnit | None:
        try:
            return self._stored(key)
        except KeyError:  # not planned, or damaged and forgotten
            return None

    def _tell(self, unit: Unit, share: float) -> None:
        self._progress.working_on(unit.kind, describe(unit), share)

    # --------------------------------------------------------------------------------------------------- coming back
    def _receive(self, *, wait_seconds: float) -> list[TaskResult]:
        """All that has arrived since the last time; waits for the first."""
        finished: list[TaskResult] = []
        futures: dict[str, Any] = {}
        with suppress(Empty):
            arrival = self._arrived.get(timeout=wait_seconds) if wait_seconds else self._arrived.get_nowait()
            while True:
                if isinstance(arrival, TaskResult):
                    finished.append(arrival)
                else:
                    futures.update([arrival])
                arrival = self._arrived.get_nowait()
        return finished + self._pool.receive(futures)

    def _keep(self, finished: Iterable[TaskResult]) -> None:
        """Store outcomes and reasons; all that came back together in one transaction."""
        kept = []
        with self._store.together():
            for one in finished:
                if one.disk_full:
                    raise OSError(errno.ENOSPC, one.reason)
                source = self._source_of(one)
                if source is not None or one.again:
                    self._dispatcher.again(one.unit, after=source)
                else:
                    self._commit(one)
                    kept.append(one)
        for one in kept:
            self._dispatcher.finished(one.unit.key)
            failed = one.outcome is None
            self._progress.finished_one(one.unit.kind, describe(one.unit), seconds=one.seconds, failed=failed)
            if failed:
                _say(f"failed: {STAGES[one.unit.kind].doing}, {describe(one.unit)}: {one.reason}")
            if failed and os.environ.get("BITLENS_DEBUG"):
                _say(one.trace)

    def _commit(self, one: TaskResult) -> None:
        if one.outcome is not None:
            self._store.commit(one.unit, one.outcome, seconds=one.seconds)
        else:
            self._store.fail(one.unit, one.reason, seconds=one.seconds)

    def _source_of(self, one: TaskResult) -> Unit | None:
        """The unit whose file was found damaged, forgotten so that it is done anew; once, and never twice."""
        if not one.damaged:
            return None
        for stored in self._inputs(one.unit):
            if one.damaged in stored.result.values() and stored.key not in self._remade:
                _say(f"damaged or gone: what {describe(stored)} made; it is made again")
                self._remade.add(stored.key)
                self._store.forget([stored.key])
                self._stored.cache_clear()
                return Unit(kind=stored.kind, spec=stored.spec, needs=stored.needs)
        return None


def _tally(kind: str, counts: dict[str, int]) -> Tally:
    total = sum(counts.values())
    return Tally(doing=STAGES[kind].doing, total=total, done=total - counts["planned"], failed=counts["failed"])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
