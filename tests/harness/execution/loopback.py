"""A scheduler and workers of Dask on this machine, in processes of their own, as a user starts them; to be killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
from distributed import Client

from harness.execution.certificates import NO_CERTIFICATES, Certificates
from tests.harness.execution.authority import options, security

ROOT = Path(__file__).parents[3]
WORKERS = 2


class DaskOnLoopback:
    """`dask scheduler` and two `dask worker`, nannies and all.

    folder   where the workers keep their own files, and what they log.
    preload  a module that each worker imports first.
    certificates  with which they speak TLS.
    """

    def __init__(self, folder: Path, *, preload: str = "", certificates: Certificates = NO_CERTIFICATES) -> None:
        self._folder, self._preload = folder, preload
        self._tls = options(certificates) if certificates else []
        self._certificates = certificates
        host = "tls://127.0.0.1" if certificates else "127.0.0.1"
        self.scheduler = self._start("scheduler", "--host", host, "--port", "0", "--no-dashboard", *self._tls)
        self.address = self._address()
        self.workers = [self.start_worker() for _ in range(WORKERS)]

    def wait_for_workers(self) -> None:
        """One that joins late may find that the other has done all the work."""
        with Client(self.address, security=security(self._certificates), set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=120)

    def start_worker(self) -> subprocess.Popen[str]:
        options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder), *self._tls)
        if self._preload:
            options += ("--preload", self._preload)
        with (self._folder / "workers.log").open("a") as log:  # a pipe that nobody reads would fill up
            return self._start("worker", self.address, *options, log=log)

    def kill_a_worker(self, moments: random.Random) -> int:
        """The process that does the work; its nanny starts another one. How many were killed: 1, or 0 between two."""
        nanny = moments.choice(self.workers)
        working = [child for child in psutil.Process(nanny.pid).children() if _works(child)]
        for child in working:
            child.kill()
        return len(working)

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()

    def _start(self, *words: str, log: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "dask", *words]
        ours = ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND")  # set for tests, and by nobody who starts a cluster
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log, text=True)

    def _address(self) -> str:
        assert self.scheduler.stderr is not None
        for line in self.scheduler.stderr:
            if "Scheduler at:" in line:
                return line.split()[-1]
        raise AssertionError("the scheduler did not say where it is")


def _works(process: psutil.Process) -> bool:
    command = " ".join(process.cmdline())
    return "spawn_main" in command or "forkserver" in command


@contextmanager
def dask_on_loopback(
    folder: Path, *, preload: str = "", certificates: Certificates = NO_CERTIFICATES
) -> Iterator[DaskOnLoopback]:
    dask = DaskOnLoopback(folder, preload=preload, certificates=certificates)
    try:
        dask.wait_for_workers()
        yield dask
    finally:
        dask.close()


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process says until it has said this."""
    said = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    raise AssertionError(f"it never said {words}, but {''.join(said)}")
