"""Workers of this machine: each is a process that a nanny starts, and another one whenever that has ended.

Whoever can connect to a process of Dask can have it run code. So all of them listen with TLS and let in only who holds
the certificate that was made for this run, in the memory of its processes alone; and none answers HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Nanny, Scheduler, Security, Worker
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin

from harness.cpus import available_cores
from harness.errors import one_line
from harness.execution.nanny_log import Death, NannyLog
from harness.execution.sizing import Size

# How many processes in a row may end without having done anything before no other is started in their place: whoever
# was killed from outside had bad luck, but what a process says of itself, or takes in memory, the next one will too.
CHANCES, REPETITIONS = 20, 3
CLOSING_SECONDS = 0.1  # between two looks whether all have ended
_DIED = "Nanny failed to start worker process"  # what Dask raises when the process has ended, for whatever reason


class PrivateScheduler(Scheduler):
    def start_http_server(self, *arguments: Any, **more: Any) -> None:
        """Start none. Dask has no setting for that: without a dashboard, its port is open all the same."""


class PrivateWorker(Worker):
    def start_http_server(self, *arguments: Any, **more: Any) -> None:
        """Start none, as the scheduler."""


class OneProcessNanny(Nanny):
    """Starts one process and ends with it. Dask's own starts another without end, or ends, depending on the moment."""

    _has_started = False

    async def instantiate(self) -> Status:
        if self._has_started:
            await self.close(reason="its process has ended")
            return self.status
        self._has_started = True
        return await super().instantiate()


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where one process after the other works. `gave_up` is why no further one is started."""

    server: Nanny | Worker | None = None
    in_vain: int = 0  # processes in a row that ended without having done anything
    gave_up: str = ""
    was_tried: asyncio.Event = field(default_factory=asyncio.Event)


class LocalWorkers:
    """Keeps as many workers alive as were asked for; with none, a thread of this process is the only one.

    plugin   what each of them sets up before it says that it is there.
    scratch  the run's temporary folder, in which each process has its own.
    """

    def __init__(
        self, size: Size, *, plugin: WorkerPlugin, security: Security, scratch: Path, nanny_log: NannyLog
    ) -> None:
        self._size, self._plugin, self._security = size, plugin, security
        self._scratch, self._nanny_log = scratch, nanny_log
        self._places = [_Place() for _ in range(max(1, size.workers))]
        self._by_address: dict[str, _Place] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    async def start(self, scheduler: str) -> None:
        """Start them, and wait until each is there or has died for the first time."""
        self._tasks = [asyncio.create_task(self._keep(place, scheduler)) for place in self._places]
        await asyncio.gather(*(place.was_tried.wait() for place in self._places))

    def has_worked(self, address: str) -> None:
        """This worker began a unit at least, so whatever it dies of is not how it was started."""
        if address in self._by_address:
            self._by_address[address].in_vain = 0

    def reasons_to_give_up(self) -> list[str]:
        """One for each worker that is not started any more."""
        return [place.gave_up for place in self._places if place.gave_up]

    def are_gone(self) -> bool:
        return all(place.gave_up for place in self._places)

    def restart(self, address: str) -> None:
        """End this worker, which has nothing in hand; another one is started."""
        server = self._by_address[address].server if address in self._by_address else None
        if server is not None and server.worker_address == address:  # not one that was started meanwhile
            _kill(server)

    def kill(self) -> None:
        """End all of them, and start no more."""
        self._is_closing = True
        for place in self._places:
            _kill(place.server)

    async def close(self) -> None:
        """Wait until all of them have ended."""
        for place in self._places:
            if isinstance(place.server, Worker):
                await place.server.close(executor_wait=False)
        while not all(task.done() for task in self._tasks):
            self.kill()  # again: the process of one that was just being started was not known before
            await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)

    async def _keep(self, place: _Place, scheduler: str) -> None:
        while not self._is_closing:
            death = await self._live(place, scheduler)
            place.was_tried.set()
            place.in_vain += 1
            if place.in_vain >= (CHANCES if death.is_chance else REPETITIONS):
                place.gave_up = death.cause
                return

    async def _live(self, place: _Place, scheduler: str) -> Death:
        """The life of one worker. Returns what it died of."""
        deaths = self._nanny_log.deaths
        try:
            with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as folder:
                place.server = self._make(scheduler, folder)
                async with place.server as server:
                    self._by_address[server.worker_address] = place
                    place.was_tried.set()
                    await server.finished()
        except Exception as error:
            cause = _first_cause(error)
            if str(cause) != _DIED:
                return Death(cause=one_line(cause), is_chance=False)
        if self._nanny_log.deaths == deaths:
            return Death(cause="its process ended", is_chance=True)
        return self._nanny_log.latest_death()

    def _make(self, scheduler: str, folder: str) -> Nanny | Worker:
        common: dict[str, Any] = {
            "nthreads": 1,
            "security": self._security,
            "plugins": (self._plugin,),
            "silence_logs": logging.CRITICAL,
        }
        if not self._size.workers:
            return PrivateWorker(scheduler, memory_limit=0, **common)
        return OneProcessNanny(
            scheduler,
            worker_class=PrivateWorker,
            host="127.0.0.1",
            memory_limit=self._size.limit_bytes,
            env={"OMP_NUM_THREADS": str(max(1, available_cores() // self._size.workers)), "TMPDIR": folder},
            **common,
        )


def _first_cause(error: Exception) -> Exception:
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _kill(server: Nanny | Worker | None) -> None:
    """End a worker's process in the middle of whatever it does: it holds nothing that needs tidying.

    `Nanny.kill` asks the worker first, and one that is busy in TensorFlow does not answer.
    """
    pid = server.pid if isinstance(server, Nanny) else None
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
