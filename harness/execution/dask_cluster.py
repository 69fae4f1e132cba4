"""Dask itself: workers that are started here, or those of a cluster at an address, and the client that talks to them.

What Dask has no public setting for stands here, each with its reason: `_LeanScheduler`, `_send_at_once` and `_kill`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any

import dask
from dask.utils import key_split
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

from harness.cpus import available_cores
from harness.errors import BitlensError, ConfigError
from harness.execution.sizing import Size

CLOSE_SECONDS = 5.0  # how long a cluster may take to say goodbye; our own processes end with this one
SEND_SECONDS = 0.001  # see _send_at_once

# What a run needs to be different from Dask's defaults. A worker that holds a model is not "full" and must not pause;
# sampling profilers and ticks would disturb what is timed on this machine; a laptop that slept has lost no worker, and
# one that a slow machine still starts again is not given up (Dask waits 15 s, then never again).
_CONFIGURATION: dict[str, Any] = {
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.deploy.lost-worker-timeout": "3650 days",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.tick.interval": "1s",
    "distributed.nanny.pre-spawn-environ": {},
}


class DaskCluster:
    """A client, with the workers that were started for it or those of the cluster at `address`.

    name  of the run, for what it leaves with Dask: its plugin and its tasks.
    """

    def __init__(
        self,
        client: Client,
        *,
        local: LocalCluster | None = None,
        address: str = "",
        configuration: ExitStack | None = None,
    ) -> None:
        self.client, self._local, self._address = client, local, address
        self._configuration = configuration or ExitStack()  # left when the cluster is closed
        self.name = f"bitlens-{uuid.uuid4().hex}"
        self._numbers = count()
        _send_at_once(client.scheduler_comm)

    @property
    def is_local(self) -> bool:
        return self._local is not None

    def register(self, plugin: WorkerPlugin) -> None:
        """Have every worker set it up, now and later. Raises ConfigError when one cannot take part."""
        with _refusals_explained():
            self.client.register_plugin(plugin, name=self.name)

    def addresses(self) -> list[str]:
        """The workers that are there. Raises BitlensError when the scheduler is gone."""
        scheduler = self.client.scheduler
        if scheduler is None:
            raise self.is_gone()
        try:
            # Not `scheduler_info`: every two seconds Dask puts a list of none in place of what that is about to return.
            return list(self.client.sync(scheduler.identity, n_workers=-1)["workers"])
        except OSError as error:  # what Dask says of a connection that was cut
            raise self.is_gone() from error

    def submit(self, function: Callable[..., Any], *arguments: Any, address: str) -> Any:
        """Have a function called by this worker and no other. Returns Dask's future."""
        key = (self.name, next(self._numbers))  # a tuple: Dask keeps statistics of every other sort of name for ever
        return self.client.submit(function, *arguments, key=key, workers=[address])

    def restart(self, address: str) -> None:
        """TensorFlow gives little memory back: a new process does. Meanwhile the others go on."""
        threading.Thread(target=self._restart, args=(address,), daemon=True).start()

    def is_gone(self) -> BitlensError:
        where = f" at {self._address}" if self._address else ""
        return BitlensError(
            f"the Dask scheduler{where} is gone; all that was finished is kept",
            hint="the same command when it is back",
        )

    def close(self, futures: list[Any]) -> None:
        """End the workers that were started here, at once; those of a cluster forget the run and these futures."""
        if self._local is not None:
            for nanny in self._local.workers.values():
                _kill(nanny)
            self._local.shutdown_on_close = False  # nor again, and patiently, when the interpreter ends
        closing = threading.Thread(target=self._close, args=(futures,), daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        self._configuration.close()

    def _restart(self, address: str) -> None:
        with suppress(Exception):  # the run may end meanwhile, and the worker with it
            self.client.restart_workers([address], timeout=60, raise_for_error=False)

    def _close(self, futures: list[Any]) -> None:
        with suppress(Exception):  # whatever is wrong with the cluster, the run's results are safe
            if self._local is None:
                self.client.cancel(futures, force=True)
                self.client.unregister_worker_plugin(self.name)
            self.client.close(timeout=2)
        with suppress(Exception):
            if self._local is not None:
                self._local.close(timeout=2)


def start_workers(size: Size, *, attempts: int) -> DaskCluster:
    """Processes of this machine; with no workers, a thread of this process.

    attempts  workers that may die of a task before Dask gives it up.
    """
    cores = max(1, available_cores() // max(1, size.workers))
    with ExitStack() as configuration, _refusals_explained():
        # until the cluster is closed, because workers are restarted at any time
        configuration.enter_context(dask.config.set(_CONFIGURATION))
        local = LocalCluster(
            n_workers=max(1, size.workers),
            threads_per_worker=1,
            processes=size.workers > 0,
            memory_limit=size.limit_bytes if size.workers else 0,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            scheduler_kwargs={"allowed_failures": attempts - 1, "plugins": [_LeanScheduler()]},
            **({"env": {"OMP_NUM_THREADS": str(cores)}} if size.workers else {}),
        )
        client = Client(local, set_as_default=False)
        return DaskCluster(client, local=local, configuration=configuration.pop_all())


def connect(address: str) -> DaskCluster:
    """The workers of a cluster that others started. Raises ConfigError when no scheduler answers."""
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--cluster {address}: no Dask scheduler answered ({error})", hint="tcp://host:8786"
        ) from error
    if not client.scheduler_info(n_workers=1)["workers"]:
        print(f"waiting for workers of {address}", file=sys.stderr, flush=True)
    return DaskCluster(client, address=address)


class _LeanScheduler(SchedulerPlugin):
    """A local scheduler that sends at once, and keeps nothing of the hundred thousands of units that it has seen."""

    name = "bitlens-lean-scheduler"

    async def start(self, scheduler: Any) -> None:
        scheduler.extensions["spans"] = _NoSpans()

    def add_worker(self, scheduler: Any, worker: str) -> None:
        _send_at_once(scheduler.stream_comms[worker])

    def update_graph(self, scheduler: Any, **graph: Any) -> None:
        key_split.cache_clear()  # it remembers the keys of 100,000 units


class _NoSpans:
    """In place of Dask's statistics of each span of work: for units that are handed out singly, that is each unit.

    No setting turns them off, and workers report to them with every heartbeat.
    """

    def observe_tasks(self, *tasks: Any, **more: Any) -> dict[Any, Any]:
        return {}

    def heartbeat(self, *report: Any) -> None: ...


def _send_at_once(batched_send: Any) -> None:
    """Dask gathers what it sends for 5 or 10 ms, which every single unit would wait; no setting changes that."""
    batched_send.interval = SEND_SECONDS


def _kill(nanny: Any) -> None:
    """End a local worker in the middle of whatever it does: it holds nothing that needs tidying.

    `Nanny.kill` asks the worker first, and one that is busy in TensorFlow does not answer.
    """
    nanny.auto_restart = False
    if getattr(nanny, "pid", None):
        with suppress(ProcessLookupError):
            os.kill(nanny.pid, signal.SIGKILL)


@contextmanager
def _refusals_explained() -> Iterator[None]:
    """A worker that cannot take part says why, in what Dask raises as a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise ConfigError(f"a Dask worker cannot take part: {error}") from error


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Ctrl-C is for the coordinator alone: what is started with the signal blocked never hears it.

    The coordinator hears it at the end of the block, in which it must have learnt what it has to close.
    """
    blocked = {signal.SIGINT} if threading.current_thread() is threading.main_thread() else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
