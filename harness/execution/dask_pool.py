"""The workers of a run, as the coordinator sees them: who wants a unit, who gets it, and what came of it.

A unit is handed to one worker and to no other, so that it is known which units a worker had when it died: those are
given to others, each alone. When another one dies of it, too, the unit has failed.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from harness.cpus import available_cores
from harness.execution.cluster_address import parse_address
from harness.execution.nanny_log import NannyLog
from harness.execution.result_fetcher import ResultFetcher, Returned
from harness.execution.sizing import WorkerConfig, available_bytes, size_of
from harness.execution.storage_exchange import fetch_blobs, store_weights
from harness.execution.task import Delivery, Task, TaskResult
from harness.execution.versions import SAME_EVERYWHERE, installed
from harness.execution.worker_ledger import ATTEMPTS, Assignment, WorkerLedger
from harness.experiment.experiment import Experiment
from harness.store.remote import Storage

if TYPE_CHECKING:
    from harness.execution.dask_cluster import DaskCluster
    from harness.execution.dask_worker import UnitPlugin

REFRESH_SECONDS = 1.0  # how often the cluster is asked who is there


class WorkerPool:
    """Starts its workers, or connects to them, with the first unit. What arrives is put into a queue.

    arrived  Returned, to be handed to `receive`, and the TaskResult of units whose workers are gone.
    """

    def __init__(
        self, worker_config: WorkerConfig, experiment: Experiment, folder: Path, arrived: SimpleQueue[Any]
    ) -> None:
        self._worker_config, self._experiment = worker_config, experiment
        self._folder, self._arrived = folder.resolve(), arrived
        self.storage = Storage(url=worker_config.storage) if worker_config.storage else None
        self._name = f"bitlens-{uuid.uuid4().hex}"  # of the run, for what it leaves with Dask
        self._is_quiet = worker_config.workers != 0 and not os.environ.get("BITLENS_DEBUG")
        self._ledger, self._nanny_log = WorkerLedger(), NannyLog()
        self._cluster: DaskCluster | None = None
        self._asked = 0.0  # when the cluster was last asked who is there

    # ------------------------------------------------------------------------------------------------- handing over
    def idle(self) -> dict[str, str]:
        """The workers that want another unit, those that have fewest, and the model that each holds then."""
        if self._cluster is None:
            self._open()
        self.look()
        return self._ledger.idle()

    def models_elsewhere(self, address: str) -> set[str]:
        """Those that other workers than this one hold."""
        return self._ledger.models_elsewhere(address)

    def hand_over(self, task: Task, address: str) -> None:
        """Give a unit to a worker."""
        from harness.execution.dask_worker import do

        assert self._cluster is not None
        future = self._cluster.submit(do, task, self._name, address=address)
        self._ledger.assign(task, address, future)
        self._fetcher.watch(task.key, future)

    def look(self) -> None:
        """See who is there, from time to time: the units of those who are gone come back."""
        if self._cluster is None or time.monotonic() - self._asked < REFRESH_SECONDS:
            return
        self._ledger.update(self._cluster.addresses())
        self._asked = time.monotonic()
        for assignment in self._ledger.orphans():
            if assignment.future.status in ("pending", "lost"):  # it ended in no other way, and never will
                self._arrived.put(self._take_back(assignment))

    # --------------------------------------------------------------------------------------------------- coming back
    def receive(self, returned: Returned) -> TaskResult | None:
        """What became of a unit; None if it was taken back meanwhile. Raises BitlensError if the scheduler is gone."""
        from distributed import KilledWorker

        assert self._cluster is not None
        key, future = returned.key, returned.future
        assignment = self._ledger.assignment(key)
        if assignment is None or assignment.future is not future:
            return None
        if returned.delivery is not None:
            return self._accept(key, returned.delivery)
        if returned.is_cut or future.status == "cancelled":
            raise self._cluster.is_gone()
        error = future.exception() if future.status == "error" else None
        if error is None or isinstance(error, KilledWorker):  # without an error, the result died with its worker
            return self._take_back(assignment)
        return TaskResult(unit=self._ledger.release(key).unit, seconds=0.0, reason=f"{type(error).__name__}: {error}")

    def _accept(self, key: str, delivery: Delivery) -> TaskResult:
        assert self._cluster is not None
        self._ledger.release(key)
        self._ledger.is_done(key, delivery.result)
        self._cluster.has_worked(delivery.address)
        if delivery.has_grown and self._cluster.is_local:
            self._ledger.mark_leaving(delivery.address)
        if self._ledger.may_restart(delivery.address):
            self._cluster.restart(delivery.address)
        return fetch_blobs(delivery.result, self._folder, self.storage) if self.storage else delivery.result

    def _take_back(self, assignment: Assignment) -> TaskResult:
        """A unit whose worker is gone: for another one, unless too many have died of it."""
        assert self._cluster is not None
        assignment.future.cancel()
        task = self._ledger.release(assignment.task.key)
        last_words = self._nanny_log.last_words(self._folder / "logs", task.key)
        if not last_words and self._cluster.is_local and self._is_quiet:  # it had not begun: the unit is not to blame
            return TaskResult(unit=task.unit, seconds=0.0, again=True)
        self._cluster.has_worked(assignment.address)
        if not self._ledger.must_give_up(task.key):
            return TaskResult(unit=task.unit, seconds=0.0, again=True)
        reason = f"{last_words or 'its worker died'} (tried {ATTEMPTS} times)"
        return TaskResult(unit=task.unit, seconds=0.0, reason=reason)

    # ------------------------------------------------------------------------------------------- beginning and end
    def _open(self) -> None:
        from harness.execution.dask_cluster import connect, interrupts_blocked, start_workers

        self._nanny_log.listen()
        with interrupts_blocked():
            if self._worker_config.cluster:
                if self.storage is not None:
                    self.storage.check()
                address = parse_address(self._worker_config.cluster)
                self._cluster = connect(address, self._name, certificates=self._worker_config.certificates)
            else:
                cores, available = available_cores(), available_bytes()
                size = size_of(self._worker_config, self._experiment, cores=cores, available=available)
                plugin = self._plugin(keep_bytes=size.keep_bytes)
                self._cluster = start_workers(size, plugin, attempts=ATTEMPTS, nanny_log=self._nanny_log)
        self._fetcher = ResultFetcher(self._cluster.client, self._arrived)
        if self._worker_config.cluster:
            self._cluster.register(self._plugin(keep_bytes=None))

    def _plugin(self, *, keep_bytes: int | None) -> UnitPlugin:
        from harness.execution.dask_worker import UnitPlugin, WorkerSettings

        settings = WorkerSettings(
            experiment=self._experiment,
            folder=self._folder,
            storage=self.storage,
            weights=store_weights(self._experiment, self._folder, self.storage) if self.storage else {},
            keep_bytes=keep_bytes,
            versions=installed(SAME_EVERYWHERE),
            quiet=self._is_quiet,
        )
        return UnitPlugin(settings, name=self._name)

    def close(self) -> None:
        """End the workers that were started here, at once; those of a cluster forget the run."""
        if self._cluster is not None:
            self._cluster.close([assignment.future for assignment in self._ledger.assignments()])
            self._cluster = None
            shutil.rmtree(self._folder / "logs", ignore_errors=True)
