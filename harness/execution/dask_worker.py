"""A worker's side of a run: a process that Dask started, here or on another machine, and that does one unit at a time.

It keeps the network that it used last, because the next unit is likely to be of the same, and it reads no database:
what a unit builds on comes with it. It returns outcomes; arrays and artifacts it leaves in the run's folder or storage.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from harness.execution.task import Task, TaskResult, perform
from harness.experiment.experiment import Experiment
from harness.models.catalogue import Model
from harness.stages.context import RunContext
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs

ALIKE = ("bitlens", "numpy", "tensorflow-cpu", "tensorflow", "larq", "larq-compute-engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What all workers of a run are told once.

    folder      the run's folder, where no storage is given: every worker must see it.
    files       weights by path, with the name under which the storage holds them.
    keep_bytes  a process that has more memory than this after a unit is started anew; None: 3/4 of its limit.
    versions    what the coordinator has installed of the packages that results depend on.
    quiet       what the process prints goes to a file, for the case that it dies.
    """

    experiment: Experiment
    folder: Path
    storage: Storage | None
    files: dict[str, str]
    keep_bytes: int | None
    versions: dict[str, str]
    quiet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A finished unit, from whom, and whether that process has grown so much that it should be started anew."""

    finished: TaskResult
    address: str
    has_grown: bool


class UnitPlugin(WorkerPlugin):
    """Where a worker does its units: made when it joins the run, gone when the run or the process ends."""

    def __init__(self, name: str, setting: WorkerSettings) -> None:
        self.name = name
        self._setting = setting

    def setup(self, worker: Any) -> None:
        found = versions()
        if found != self._setting.versions:
            raise RuntimeError(f"expected the coordinator's versions {self._setting.versions}, got {found}")
        if self._setting.storage is None and not (self._setting.folder / "store.sqlite").exists():
            raise RuntimeError(f"expected the run's folder {self._setting.folder}, got a machine that does not see it")
        self._busy = threading.Lock()
        self._worker = worker
        self._context: RunContext | None = None

    def do(self, order: Task) -> Delivery:
        with self._busy, self._output_kept(order.unit.key):
            self._context = self._context or self._make_context()
            self._unit_inputs.set_inputs(order.inputs)
            finished = perform(order, self._context)
        return Delivery(finished=finished, address=self._worker.address, has_grown=self._has_grown())

    def _make_context(self) -> RunContext:
        """With the first unit: the process may have been started for nothing."""
        folder, setting = self._setting.folder / "blobs", self._setting
        if setting.storage is not None:
            folder = Path(self._worker.local_directory) / "blobs"
        self._unit_inputs = UnitInputs(folder, setting.storage)
        models = tuple(self._with_local_weights(model) for model in setting.experiment.models)
        return RunContext(replace(setting.experiment, models=models), self._unit_inputs)

    def _with_local_weights(self, model: Model) -> Model:
        """The model whose weights are the file that the storage holds of them."""
        name = self._setting.files.get(model.weights)
        if name is None:
            return model
        path = self._unit_inputs.blob_path(name)
        named = path.with_name(name + Path(model.weights).suffix)  # the suffix says what kind of file it is
        if not named.exists():
            os.link(path, named)
        return replace(model, weights=str(named))

    def _has_grown(self) -> bool:
        limit = self._setting.keep_bytes or 3 * (self._worker.memory_manager.memory_limit or 0) // 4
        return self._worker.nanny is not None and 0 < limit < self._worker.monitor.get_process_memory()

    @contextmanager
    def _output_kept(self, key: str) -> Iterator[None]:
        """Converters write pages, also from C++. They go to a file that is left behind only if the process dies."""
        if not self._setting.quiet:
            yield
            return
        log = log_file(self._setting, key, os.getpid())
        log.parent.mkdir(exist_ok=True)
        before = os.dup(1), os.dup(2)
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            for number, descriptor in zip((1, 2), before):
                os.dup2(descriptor, number)
                os.close(descriptor)
            log.unlink(missing_ok=True)


def do(order: Task, bench: str) -> Delivery:
    """What Dask calls on a worker."""
    found = get_worker().plugins[bench]
    assert isinstance(found, UnitPlugin)
    return found.do(order)


def log_file(setting: WorkerSettings, key: str, pid: int) -> Path:
    """Where a process writes while it does a unit: in the run's folder, if it sees that."""
    folder = Path(tempfile.gettempdir()) if setting.storage is not None else setting.folder
    return folder / "logs" / f"{key}.{pid}"


def versions() -> dict[str, str]:
    """What is installed here of the packages that results depend on."""
    found = {}
    for name in ALIKE:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found
