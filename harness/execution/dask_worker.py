"""A worker's side of a run: a process that Dask started, here or on another machine, and that does one unit at a time.

It keeps the model that it used last, because the next unit is likely to need the same, and it reads no database: what
a unit builds on comes with it. It returns outcomes; arrays and artifacts it leaves in the run's folder or storage.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from harness import keras_packages
from harness.execution.task import Delivery, Task, perform
from harness.execution.versions import SAME_EVERYWHERE, installed
from harness.experiment.experiment import Experiment
from harness.models.catalogue import Model
from harness.stages.context import RunContext
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What all workers of a run are told once.

    folder      the run's folder, where no storage is given: every worker must see it.
    weights     files of weights by path, with the name under which the storage holds them.
    keep_bytes  a process that has more memory than this after a unit is restarted; None: 3/4 of its limit.
    versions    what the coordinator has installed of the packages that results depend on.
    quiet       what the process prints goes to a file, in case it dies.
    """

    experiment: Experiment
    folder: Path
    storage: Storage | None
    weights: dict[str, str]
    keep_bytes: int | None
    versions: dict[str, str]
    quiet: bool


class UnitPlugin(WorkerPlugin):
    """Where a worker does its units: made when it joins the run, gone when the run or the process ends."""

    def __init__(self, settings: WorkerSettings, *, name: str) -> None:
        self._settings, self.name = settings, name

    def setup(self, worker: Any) -> None:
        keras_packages.set_up()  # in workers of a cluster, nobody has
        versions = installed(SAME_EVERYWHERE)
        if versions != self._settings.versions:
            raise RuntimeError(f"expected the coordinator's versions {self._settings.versions}, got {versions}")
        if self._settings.storage is None and not (self._settings.folder / "store.sqlite").exists():
            raise RuntimeError(f"expected the run's folder {self._settings.folder}, got a machine that does not see it")
        self._busy = threading.Lock()
        self._worker = worker
        self._context: RunContext | None = None

    def do(self, task: Task) -> Delivery:
        with self._busy, self._output_kept(task.key):
            self._context = self._context or self._make_context()
            self._unit_inputs.set_inputs(task.inputs)
            result = perform(task, self._context)
        return Delivery(result=result, address=self._worker.address, has_grown=self._has_grown())

    def _make_context(self) -> RunContext:
        """With the first unit: the process may have been started for nothing."""
        folder, settings = self._settings.folder / "blobs", self._settings
        if settings.storage is not None:
            folder = Path(self._worker.local_directory) / "blobs"
        self._unit_inputs = UnitInputs(folder, settings.storage)
        models = tuple(self._with_local_weights(model) for model in settings.experiment.models)
        return RunContext(replace(settings.experiment, models=models), self._unit_inputs)

    def _with_local_weights(self, model: Model) -> Model:
        """The model whose weights and module are the files that the storage holds of them."""
        module = None if model.module is None else self._local(model.module)
        return replace(model, weights=self._local(model.weights), module=module)

    def _local(self, path: str) -> str:
        """The storage's copy of a file; the same path where it has none."""
        name = self._settings.weights.get(path)
        if name is None:
            return path
        copy = self._unit_inputs.blob_path(name)
        named = copy.with_name(name + Path(path).suffix)  # the suffix says what kind of file it is
        if not named.exists():
            os.link(copy, named)
        return str(named)

    def _has_grown(self) -> bool:
        limit = self._settings.keep_bytes or 3 * (self._worker.memory_manager.memory_limit or 0) // 4
        return self._worker.nanny is not None and 0 < limit < self._worker.monitor.get_process_memory()

    @contextmanager
    def _output_kept(self, key: str) -> Iterator[None]:
        """Converters write pages, also from C++. They go to a file that is left behind only if the process dies."""
        if not self._settings.quiet:
            yield
            return
        log = _log_file(self._settings, key, os.getpid())
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


def do(task: Task, plugin: str) -> Delivery:
    """What Dask calls on a worker, with the name under which the plugin was registered."""
    unit_plugin = get_worker().plugins[plugin]
    assert isinstance(unit_plugin, UnitPlugin)
    return unit_plugin.do(task)


def _log_file(settings: WorkerSettings, key: str, pid: int) -> Path:
    """Where a process writes while it does a unit: in the run's folder, if it sees that."""
    folder = Path(tempfile.gettempdir()) if settings.storage is not None else settings.folder
    return folder / "logs" / f"{key}.{pid}"
