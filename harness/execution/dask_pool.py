"""The coordinator's side of Dask: workers that are started here or found at an address, and units handed to them.

A worker is given units of the network that it still holds, and short ones before it has done the last, so that it does
not wait for them. The units of a worker that died are given to others, each alone, so that it is known what they die
of: when another one does, the unit has failed.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from harness.cpus import available_cores
from harness.errors import BitlensError, ConfigError
from harness.execution.nanny_log import NannyLog
from harness.execution.sizing import WorkerConfig, available_bytes, size_of
from harness.execution.task import Task, TaskResult
from harness.experiment.experiment import Experiment
from harness.plan.estimate import Group, group_of
from harness.stages.unit_spec import model_of
from harness.store.folder import is_disk_full
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs

if TYPE_CHECKING:
    from harness.execution.dask_worker import Delivery

ATTEMPTS = 2  # workers that may die of a unit before it has failed
CLOSE_SECONDS = 5.0  # how long a cluster may take to say goodbye; our own processes end with this one
SEND_SECONDS = 0.001  # Dask gathers what a client sends for 10 ms, which every single unit would wait
DEPTH = 8  # units that a worker has at most, the one that it is doing among them
AHEAD_SECONDS = 0.25  # a worker with so much to do gets nothing more: what waits there, another one may be free for
REFRESH_SECONDS = 1.0  # how often the cluster is asked who is there


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A unit that is being done."""

    order: Task
    future: Any
    address: str


class WorkerPool:
    """The workers of a run, from the first unit on. What arrives is put into a queue: (key, future), or Finished."""

    def __init__(
        self, worker_config: WorkerConfig, experiment: Experiment, folder: Path, arrived: SimpleQueue[Any]
    ) -> None:
        self._worker_config, self._experiment, self._folder, self._arrived = (
            worker_config,
            experiment,
            folder.resolve(),
            arrived,
        )
        self._name = f"bitlens-{uuid.uuid4().hex}"
        self.storage = Storage(url=worker_config.storage) if worker_config.storage else None
        self._nanny_log = NannyLog()
        self._client: Any = None
        self._cluster: Any = None
        self._keep_bytes: int | None = None
        self._asked = 0.0
        self._holds: dict[str, str] = {}  # the network of each address
        self._queues: dict[str, list[str]] = {}  # the units that each address has
        self._leaving: set[str] = set()  # addresses that are started anew when they have done what they have
        self._tasks: dict[str, _Given] = {}
        self._finished: list[tuple[str, Any]] = []  # units and futures whose results are to be fetched
        self._is_cut = False  # nobody could be asked for them
        self._suspects: Counter[str] = Counter()  # how many workers died that had this unit
        self._seconds: dict[Group, float] = {}  # what the latest unit of each group took
        self._number = itertools.count()

    def models(self, address: str) -> set[str]:
        """Those that other workers than this one hold."""
        return {model for other, model in self._holds.items() if other != address}

    def idle(self) -> dict[str, str]:
        """The workers that want another unit, those that have fewest, and the network that each holds then.

        The first call starts them.
        """
        if self._client is None:
            self._start()
        self.look()
        wanting = [address for address in self._holds if self._wants_more(address)]
        fewest = min((len(self._queues[address]) for address in wanting), default=0)
        return {address: self._holds[address] for address in wanting if len(self._queues[address]) == fewest}

    def _wants_more(self, address: str) -> bool:
        """Units are short if the last ones of their group were; the first of a group may take any time."""
        queue = self._queues[address]
        if not queue or address in self._leaving:
            return address not in self._leaving
        seconds = sum(self._seconds.get(group_of(self._tasks[key].order.unit), inf) for key in queue)
        return not self._suspects and len(queue) < DEPTH and seconds < AHEAD_SECONDS

    def look(self) -> None:
        """See who is there, from time to time: the units of those who are gone come back."""
        if self._client is None or time.monotonic() - self._asked < REFRESH_SECONDS:
            return
        from dask.utils import key_split

        try:
            there = self._client.scheduler_info(n_workers=-1)["workers"]
        except OSError as error:  # what Dask says of a connection that was cut
            raise self._scheduler_is_gone() from error
        self._asked = time.monotonic()
        key_split.cache_clear()  # Dask's scheduler would keep the names of 100,000 units
        for stream in self._cluster.scheduler.stream_comms.values() if self._cluster else ():
            stream.interval = SEND_SECONDS
        self._holds = {address: self._holds.get(address, "") for address in there}
        self._queues = {address: self._queues.get(address, []) for address in there}
        self._leaving &= set(there)
        for key, given in list(self._tasks.items()):
            if given.address not in there and given.future.status in ("pending", "lost"):
                self._arrived.put(self._take_back(key))

    def hand_over(self, order: Task, key: str, address: str) -> None:
        """Give a unit to a worker and to no other, so that it is known which units a worker had when it died."""
        from harness.execution.dask_worker import do

        self._queues[address].append(key)
        self._holds[address] = model_of(order.unit) or self._holds[address]
        task = (self._name, next(self._number))  # a tuple: Dask keeps statistics of every other sort of name for ever
        future = self._client.submit(do, order, self._name, key=task, workers=[address])
        self._tasks[key] = _Given(order=order, future=future, address=address)
        future.add_done_callback(partial(self._is_done, key))

    def receive(self, arrived: dict[str, Any]) -> list[TaskResult]:
        """What became of the units whose futures arrived. Raises BitlensError when the scheduler is gone."""
        return [
            self._receive(key, future, delivery)
            for key, (future, delivery) in arrived.items()
            if key in self._tasks and self._tasks[key].future is future  # not one that was taken back
        ]

    def _receive(self, key: str, future: Any, delivery: Delivery | None) -> TaskResult:
        from distributed.scheduler import KilledWorker

        if delivery is not None:
            self._release(key)
            self._suspects.pop(key, None)
            return self._unpack(delivery)
        if self._is_cut or future.status == "cancelled":
            raise self._scheduler_is_gone()
        error = future.exception() if future.status == "error" else None
        if error is None or isinstance(error, KilledWorker):  # without an error, the result died with its worker
            return self._take_back(key)
        return TaskResult(unit=self._release(key).unit, seconds=0.0, reason=f"{type(error).__name__}: {error}")

    def _is_done(self, key: str, future: Any) -> None:
        """In Dask's thread for callbacks."""
        if future.status == "finished":
            self._client.loop.add_callback(self._fetch_result, key, future)
        else:
            self._arrived.put((key, (future, None)))

    async def _fetch_result(self, key: str, future: Any) -> None:
        """In Dask's event loop: ask the workers for all results that there are, once for what came while we asked.

        One that died has taken its results with it: Dask then waits, until `look` takes the units back.
        """
        self._finished.append((key, future))
        if len(self._finished) > 1:  # whoever put the first there goes on with this one
            return
        while self._finished:
            asked = self._finished.copy()
            try:
                found = await self._client.gather(dict(asked), errors="skip", asynchronous=True)
            except Exception:  # the connection was cut, and the run is told so
                self._is_cut, found = True, {}
            for key, future in asked:
                self._arrived.put((key, (future, found.get(key))))
            del self._finished[: len(asked)]

    def _scheduler_is_gone(self) -> BitlensError:
        return BitlensError(
            f"the Dask scheduler at {self._worker_config.cluster} is gone; all that was finished is kept",
            hint="the same command when it is back",
        )

    def _release(self, key: str) -> Task:
        given = self._tasks.pop(key)
        if given.address in self._queues:
            self._queues[given.address].remove(key)
        return given.order

    def _take_back(self, key: str) -> TaskResult:
        """A unit whose worker is gone: for another one, unless too many have died of it."""
        self._tasks[key].future.cancel()
        order = self._release(key)
        self._suspects[key] += 1
        if self._suspects[key] < ATTEMPTS:
            return TaskResult(unit=order.unit, seconds=0.0, again=True)
        reason = f"{self._last_words(key)} (tried {self._suspects.pop(key)} times)"
        return TaskResult(unit=order.unit, seconds=0.0, reason=reason)

    def _last_words(self, key: str) -> str:
        """How its last process died, and the last line that it wrote, where workers see the run's folder."""
        logs = sorted((self._folder / "logs").glob(f"{key}.*"), key=lambda path: path.stat().st_mtime)
        if not logs:
            return "its worker died"
        how = self._nanny_log.of(int(logs[-1].suffix[1:]))
        said = [line.strip() for line in logs[-1].read_text(errors="replace").splitlines() if line.strip()]
        for log in logs:
            log.unlink(missing_ok=True)
        return f"its process died{how}" + (f"; it last said: {said[-1][:300]}" if said else "")

    def close(self) -> None:
        """End the workers that were started here, at once; those of a cluster forget the run."""
        if self._client is None:
            return
        if self._cluster is not None:
            for nanny in self._cluster.workers.values():
                _kill(nanny)
            self._cluster.shutdown_on_close = False  # nor again, and patiently, when the interpreter ends
        closing = threading.Thread(target=self._close, args=(self._client, self._cluster), daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        shutil.rmtree(self._folder / "logs", ignore_errors=True)
        self._client = self._cluster = None

    def _close(self, client: Any, cluster: Any) -> None:
        with suppress(Exception):  # whatever is wrong with the cluster, the run's results are safe
            if cluster is None:
                client.cancel([given.future for given in self._tasks.values()], force=True)
                client.unregister_worker_plugin(self._name)
            client.close(timeout=2)
        with suppress(Exception):
            if cluster is not None:
                cluster.close(timeout=2)

    # ------------------------------------------------------------------------------------------------ deliveries
    def _unpack(self, delivery: Delivery) -> TaskResult:
        finished = delivery.finished
        self._seconds[group_of(finished.unit)] = finished.seconds
        if self.storage is not None and finished.outcome is not None:
            finished = self._brought_home(finished)
        if delivery.has_grown and self._cluster is not None:
            self._leaving.add(delivery.address)
        if delivery.address in self._leaving and not self._queues.get(delivery.address):
            self._start_anew(delivery.address)
        return finished

    def _brought_home(self, finished: TaskResult) -> TaskResult:
        """The same with the blobs that it names in the run's folder; a failed unit if they cannot be had."""
        assert self.storage is not None
        assert finished.outcome is not None
        unit_inputs = UnitInputs(self._folder / "blobs", self.storage)
        try:
            for name, value in finished.outcome.result.items():
                if name.endswith("blob") and value:
                    unit_inputs.blob_path(value)
        except Exception as error:  # whatever a storage raises, besides Damaged
            reason = f"what a worker left in {self.storage.url} cannot be fetched ({type(error).__name__}: {error})"
            return replace(finished, outcome=None, reason=reason, disk_full=is_disk_full(error))
        return finished

    def _start_anew(self, address: str) -> None:
        """TensorFlow gives little memory back: a new process does. Meanwhile the others go on."""
        threading.Thread(target=_restart, args=(self._client, address), daemon=True).start()

    # --------------------------------------------------------------------------------------------- the cluster
    def _start(self) -> None:
        """Ctrl-C is for the coordinator alone: what is started with the signal blocked never hears it."""
        blocked = {signal.SIGINT} if threading.current_thread() is threading.main_thread() else set()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            self._client = self._connect() if self._worker_config.cluster else self._start_workers()
            self._nanny_log.listen()
            self._client.scheduler_comm.interval = SEND_SECONDS
            self._client.register_plugin(self._plugin())
        except RuntimeError as error:  # a worker that cannot take part says why
            raise ConfigError(f"a Dask worker cannot take part: {error}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start_workers(self) -> Any:
        import dask
        from distributed import Client, LocalCluster
        from distributed.scheduler import DEFAULT_EXTENSIONS

        size = size_of(self._worker_config, self._experiment, cores=available_cores(), available=available_bytes())
        self._keep_bytes = size.keep_bytes
        threads = str(max(1, available_cores() // max(1, size.workers)))
        dask.config.set(_CONFIGURATION)
        self._cluster = LocalCluster(
            n_workers=max(1, size.workers),
            threads_per_worker=1,
            processes=size.workers > 0,
            memory_limit=size.limit_bytes if size.workers else 0,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            scheduler_kwargs={"extensions": {**DEFAULT_EXTENSIONS, "spans": _NoSpans}},
            **({"env": {"OMP_NUM_THREADS": threads}} if size.workers else {}),
        )
        return Client(self._cluster, set_as_default=False)

    def _connect(self) -> Any:
        from distributed import Client

        if self.storage is not None:
            self.storage.check()
        try:
            client = Client(self._worker_config.cluster, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--cluster {self._worker_config.cluster}: no Dask scheduler answered ({error})", hint="tcp://host:8786"
            ) from error
        if not client.scheduler_info(n_workers=1)["workers"]:
            print(f"waiting for workers of {self._worker_config.cluster}", file=sys.stderr, flush=True)
        return client

    def _plugin(self) -> Any:
        from harness.execution.dask_worker import UnitPlugin, WorkerSettings, versions

        setting = WorkerSettings(
            experiment=self._experiment,
            folder=self._folder,
            storage=self.storage,
            files=self._stored_weights() if self.storage else {},
            keep_bytes=self._keep_bytes,
            versions=versions(),
            quiet=self._worker_config.workers != 0 and not os.environ.get("BITLENS_DEBUG"),
        )
        return UnitPlugin(self._name, setting)

    def _stored_weights(self) -> dict[str, str]:
        """Leave the files of weights in the storage; their names there by path."""
        assert self.storage is not None
        unit_inputs, stored = UnitInputs(self._folder / "blobs", self.storage), {}
        for model in self._experiment.models:
            path = model.weights_path
            if path is None or model.weights == "trained":  # ours come with bitlens
                continue
            if path.is_dir():
                raise ConfigError(
                    f'model "{model.name}": --storage holds weights in one file, got the folder {path}',
                    hint="an .h5 or .keras file, or a run folder that all workers see",
                )
            stored[model.weights] = unit_inputs.save_blob(path.read_bytes())
        return stored


# What a run needs to be different from Dask's defaults. A worker that holds a network is not "full" and must not pause;
# sampling profilers and ticks would disturb what is timed on this machine; a laptop that slept has lost no worker.
_CONFIGURATION: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.nanny.pre-spawn-environ": {},
}


class _NoSpans:
    """In place of Dask's statistics of each span of work, which for units that are handed out singly is each unit."""

    def __init__(self, scheduler: Any) -> None: ...

    def observe_tasks(self, *observed: Any, **more: Any) -> dict[Any, Any]:
        return {}

    def heartbeat(self, *told: Any) -> None: ...


def _restart(client: Any, address: str) -> None:
    with suppress(Exception):  # the run may end meanwhile, and the worker with it
        client.restart_workers([address], timeout=60, raise_for_error=False)


def _kill(nanny: Any) -> None:
    """End a local worker in the middle of whatever it does: it holds nothing that needs tidying."""
    nanny.auto_restart = False
    if getattr(nanny, "pid", None):
        with suppress(ProcessLookupError):
            os.kill(nanny.pid, signal.SIGKILL)
