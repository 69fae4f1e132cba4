"""Units of work in processes of their own: those of one network in one process, several networks at once.

A process that dies costs the unit in hand and never the run, and what a network took of memory is given back when its
process ends. Results come back here one by one: the coordinator alone commits them. Each process hangs on a pipe, so
that none outlives the run, however that ends.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from harness.errors import reason_of
from harness.experiment import Experiment
from harness.store import Outcome, Store, Unit
from harness.tables import resolve
from harness.workshop import Progress, Workshop

# VGG16 takes up to 12.1 GiB (int8), every other network of the catalogue less than 5: two shares hold it and one more.
WORKER_BYTES = 9 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a unit: its outcome, or the reason why there is none."""

    unit: Unit
    seconds: float
    outcome: Outcome | None = None
    reason: str = ""
    trace: str = ""


def perform(unit: Unit, function: str, workshop: Workshop, progress: Progress = lambda share: None) -> Finished:
    """Do one unit in this process; whatever goes wrong becomes the reason."""
    began = time.monotonic()
    try:
        outcome = resolve(function)(unit, workshop, progress)
    except Exception as error:  # it costs this unit and what builds on it, never the run
        trace = traceback.format_exc() + getattr(error, "remote_traceback", "")
        return Finished(unit=unit, seconds=time.monotonic() - began, reason=reason_of(error), trace=trace)
    return Finished(unit=unit, seconds=time.monotonic() - began, outcome=outcome)


def workers_that_fit() -> int:
    """How many networks may be in memory at once: one for each core, as far as free memory goes, and at least one."""
    return max(1, min(os.cpu_count() or 1, available_bytes() // WORKER_BYTES))


def available_bytes() -> int:
    """Memory that can be taken without swapping; half of the machine's where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return kilobytes * 1024


def perform_apart(
    units: Sequence[Unit],
    function: str,
    *,
    experiment: Experiment,
    folder: Path,
    workers: int,
    on_hand: Callable[[Sequence[Unit]], None] = lambda units: None,
) -> Iterator[Finished]:
    """Do the units, in the order of their networks, and yield each as it is finished.

    function  names a function (unit, workshop, progress) -> Outcome.   on_hand  is told which units are being done.
    """
    waiting = deque(list(group) for _, group in itertools.groupby(units, key=lambda unit: unit.spec["model"]["name"]))
    busy: dict[Connection, _Worker] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = _Worker(waiting.popleft(), function, experiment, folder)
                busy[worker.begin()] = worker
            on_hand([worker.unit for worker in busy.values()])
            for connection in wait(list(busy)):
                worker = busy.pop(connection)  # type: ignore[call-overload]  # `wait` also takes what we do not give it
                finished = worker.receive()
                if worker.has_more():
                    busy[worker.begin()] = worker
                else:
                    worker.end()
                yield finished
    finally:
        for worker in busy.values():
            worker.end()


class _Worker:
    """One network's units and the process that does them; a new process when the last one died."""

    def __init__(self, units: Sequence[Unit], function: str, experiment: Experiment, folder: Path) -> None:
        self._units = deque(units)
        self._arguments = (function, experiment, folder)
        self._process: multiprocessing.process.BaseProcess | None = None

    def has_more(self) -> bool:
        return bool(self._units)

    def begin(self) -> Connection:
        """Send the next unit; the connection becomes readable when it is finished."""
        if self._process is None:
            self._start()
        self.unit, self._began = self._units.popleft(), time.monotonic()
        self._connection.send(self.unit)
        return self._connection

    def receive(self) -> Finished:
        try:
            finished: Finished = self._connection.recv()
        except (EOFError, ConnectionResetError):
            return Finished(unit=self.unit, seconds=time.monotonic() - self._began, reason=self._last_words())
        return finished

    def end(self) -> None:
        if self._process is not None:
            self._connection.close()
            self._process.kill()  # it holds nothing that needs tidying: the coordinator alone writes the database
            self._process.join()
            self._log.close()
            self._process = None

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork of a process with TensorFlow's threads may deadlock
        self._log = tempfile.NamedTemporaryFile(prefix="bitlens-", suffix=".log")  # noqa: SIM115  # closed in `end`
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self._log.name, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()

    def _last_words(self) -> str:
        assert self._process is not None
        self._process.join()
        code = self._process.exitcode or 0
        how = f"of signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        killed = "; the system may have run out of memory" if -code == signal.SIGKILL else ""
        said = [line.strip() for line in Path(self._log.name).read_text(errors="replace").splitlines() if line.strip()]
        self.end()
        return f"its process died {how}{killed}" + (f"; it last said: {said[-1][:300]}" if said else "")


def _serve(connection: Connection, log: str, function: str, experiment: Experiment, folder: Path) -> None:
    """The process: units come in, what became of them goes out, until the coordinator hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator hears Ctrl-C, and ends this process
    if not os.environ.get("BITLENS_DEBUG"):
        _write_to(log)
    with Store(folder) as store:
        workshop = Workshop(experiment, store)
        while True:
            try:
                unit: Unit = connection.recv()
                connection.send(perform(unit, function, workshop))
            except (EOFError, BrokenPipeError):
                return


def _write_to(log: str) -> None:
    """Converters write pages to standard output and error, also from C++: kept for the case that the process dies."""
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
