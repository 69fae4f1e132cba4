"""Dask itself: workers that are started here, or those of a cluster at an address, and the client that talks to them.

What Dask has no public setting for stands here, each with its reason: `_LeanScheduler` and `_send_at_once`.
"""

from __future__ import annotations

import logging
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from multiprocessing import resource_tracker
from typing import Any

import dask
from dask.utils import key_split
from distributed import Client, Security, SpecCluster
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

from harness.errors import BitlensError, ConfigError, one_line
from harness.execution.certificates import Certificates, checked
from harness.execution.cluster_address import ClusterAddress, warning_of
from harness.execution.dask_worker import UnitPlugin
from harness.execution.local_workers import LocalWorkers, PrivateScheduler
from harness.execution.nanny_log import NannyLog
from harness.execution.scheduler_probe import check_answers
from harness.execution.scratch import scratch_folder
from harness.execution.sizing import Size
from harness.execution.tls_reads import keep_errors_apart
from harness.saying import say

CLOSE_SECONDS = 5.0  # how long a cluster may take to say goodbye; our own processes end with this one
SEND_SECONDS = 0.001  # see _send_at_once
REGISTRATIONS = 10  # how often workers may die while they are told what they need

# What a run needs to be different from Dask's defaults. A worker that holds a model is not "full" and must not pause;
# sampling profilers and ticks would disturb what is timed on this machine; a laptop that slept has lost no worker.
_CONFIGURATION: dict[str, Any] = {
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.use-file-locking": False,  # the folder is the run's alone
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
        name: str,
        *,
        local: SpecCluster | None = None,
        workers: LocalWorkers | None = None,
        address: str = "",
        surroundings: ExitStack | None = None,
    ) -> None:
        self.client, self._name, self._address = client, name, address
        self._local, self._workers = local, workers
        self._surroundings = surroundings or ExitStack()  # left when the cluster is closed
        self._given_up: list[str] = []
        self._numbers = count()
        _send_at_once(client.scheduler_comm)

    @property
    def is_local(self) -> bool:
        return self._local is not None

    def register(self, plugin: WorkerPlugin) -> None:
        """Have every worker of a cluster set it up, now and later. Raises ConfigError when one refuses."""
        for _ in range(REGISTRATIONS):
            try:
                with _refusals_explained():
                    self.client.register_plugin(plugin, name=self._name)
                return
            except OSError:  # a worker died before it answered, or the scheduler did
                self.addresses()
        raise BitlensError(f"the workers at {self._address} die before they can set up anything")

    def addresses(self) -> list[str]:
        """The workers that are there. Raises BitlensError when the scheduler is gone, or no worker will come."""
        self._see_who_is_given_up()
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
        # a tuple: Dask keeps statistics of every other sort of name for ever
        key = (self._name, next(self._numbers))
        return self.client.submit(function, *arguments, key=key, workers=[address])

    def has_worked(self, address: str) -> None:
        """This worker is good for units, whatever becomes of it."""
        if self._workers is not None:
            self._workers.has_worked(address)

    def restart(self, address: str) -> None:
        """TensorFlow gives little memory back: a new process does. Meanwhile the others go on."""
        if self._workers is not None:
            self._workers.restart(address)

    def is_gone(self) -> BitlensError:
        where = f" at {self._address}" if self._address else ""
        return BitlensError(
            f"the Dask scheduler{where} is gone; all that was finished is kept",
            hint="run the same command when it is back",
        )

    def close(self, futures: list[Any]) -> None:
        """End the workers that were started here, at once; those of a cluster forget the run and these futures."""
        if self._workers is not None:
            self._workers.kill()
        if self._local is not None:
            self._local.shutdown_on_close = False  # nor again, and patiently, when the interpreter ends
        closing = threading.Thread(target=self._close, args=(futures,), daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        self._surroundings.close()

    def _see_who_is_given_up(self) -> None:
        """Say it once of each worker. Raises BitlensError when none is left."""
        if self._workers is None:
            return
        given_up = self._workers.reasons_to_give_up()
        if given_up and self._workers.are_gone():
            raise BitlensError(
                f"no worker stays alive: {given_up[-1]}; all that was finished is kept",
                hint="fewer --workers, or --workers 0, which runs everything in one process",
            )
        for reason in given_up[len(self._given_up) :]:
            say(f"one worker less: {reason}")
        self._given_up = given_up

    def _close(self, futures: list[Any]) -> None:
        with suppress(Exception):  # whatever is wrong with the cluster, the run's results are safe
            if self._local is None:
                self.client.cancel(futures, force=True)
                self.client.unregister_worker_plugin(self._name)
            self.client.close(timeout=2)
        with suppress(Exception):
            if self._local is not None and self._workers is not None:
                self._local.sync(self._workers.close)
                self._local.close(timeout=2)


def start_workers(size: Size, plugin: UnitPlugin, *, attempts: int, nanny_log: NannyLog) -> DaskCluster:
    """Processes of this machine; with no workers, a thread of this process. They start again whenever they die.

    plugin    what each of them sets up first; its name is that of the run.
    attempts  workers that may die of a task before Dask gives it up.
    """
    keep_errors_apart()
    with ExitStack() as stack, _start_explained():
        scratch = stack.enter_context(scratch_folder())
        # until the cluster is closed, because workers are started at any time
        stack.enter_context(dask.config.set({**_CONFIGURATION, "temporary-directory": str(scratch)}))
        security = Security.temporary()
        options = {
            "security": security,
            "allowed_failures": attempts - 1,
            "plugins": [_LeanScheduler()],
            **({"protocol": "tls", "host": "127.0.0.1"} if size.workers else {"protocol": "inproc"}),
        }
        local = SpecCluster(
            scheduler={"cls": PrivateScheduler, "options": options}, security=security, silence_logs=logging.CRITICAL
        )
        workers = LocalWorkers(size, plugin=plugin, security=security, scratch=scratch, nanny_log=nanny_log)
        local.sync(workers.start, local.scheduler_address)
        client = Client(local, set_as_default=False)
        return DaskCluster(client, plugin.name, local=local, workers=workers, surroundings=stack.pop_all())


def connect(address: ClusterAddress, name: str, *, certificates: Certificates) -> DaskCluster:
    """The workers of a cluster that others started. Raises ConfigError when no scheduler answers, or lets us in."""
    if warning := warning_of(address):
        say(warning)
    keep_errors_apart()
    security = _security(address, certificates)
    check_answers(address, security)
    client = Client(str(address), security=security, timeout=10, set_as_default=False)
    if not client.scheduler_info(n_workers=1)["workers"]:
        say(f"waiting for workers of {address}")
    return DaskCluster(client, name, address=str(address))


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


@contextmanager
def _start_explained() -> Iterator[None]:
    """What Dask's configuration, or this machine, has against a scheduler of our own."""
    try:
        yield
    except (RuntimeError, ValueError, ssl.SSLError) as error:
        raise BitlensError(
            f"no Dask scheduler can be started here: {one_line(error)}", hint="what Dask's configuration says"
        ) from error


@contextmanager
def _refusals_explained() -> Iterator[None]:
    """A worker that cannot take part says why, in what Dask raises as a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise ConfigError(f"a Dask worker cannot take part: {error}") from error


def _security(address: ClusterAddress, certificates: Certificates) -> Security:
    """What a connection to this scheduler needs. Raises ConfigError for certificates that are of no use."""
    if not address.is_encrypted:  # then files in Dask's configuration, which may be missing, are not looked at
        is_required = bool(dask.config.get("distributed.comm.require-encryption", None))
        return Security(require_encryption=is_required, tls_ca_file=None)
    files = checked(certificates)
    return Security(
        require_encryption=True,
        tls_ca_file=str(files.ca_file),
        tls_client_cert=str(files.cert),
        tls_client_key=str(files.key) if files.key else None,
    )


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Ctrl-C is for the coordinator alone: what is started with the signal blocked never hears it.

    The coordinator hears it at the end of the block, in which it must have learnt what it has to close.
    """
    resource_tracker.ensure_running()  # which unblocks the signal when it starts, in Python 3.11
    blocked = {signal.SIGINT} if threading.current_thread() is threading.main_thread() else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
