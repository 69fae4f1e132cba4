"""A worker that cannot give the same numbers, or cannot leave its files where the run finds them, is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execution.dask_worker import UnitPlugin, WorkerSettings
from harness.execution.versions import SAME_EVERYWHERE, installed
from harness.store import Store
from harness.store.remote import Storage
from tests.harness.execution.simulated import experiment_in


def plugin(folder: Path, *, storage: Storage | None = None, versions: dict[str, str] | None = None) -> UnitPlugin:
    settings = WorkerSettings(
        experiment=experiment_in(folder.parent / "experiment"),
        folder=folder,
        storage=storage,
        weights={},
        keep_bytes=None,
        versions=versions or installed(SAME_EVERYWHERE),
        quiet=False,
    )
    return UnitPlugin(settings, name="a run")


def test_worker_with_another_tensorflow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"expected the coordinator's versions .*'tensorflow-cpu': '1.0'"):
        plugin(tmp_path, versions={**installed(SAME_EVERYWHERE), "tensorflow-cpu": "1.0"}).setup(object())


def test_worker_that_does_not_see_the_folder_is_refused_unless_there_is_a_storage(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="got a machine that does not see it"):
        plugin(tmp_path / "run").setup(object())
    plugin(tmp_path / "run", storage=Storage(url="memory://blobs")).setup(object())
    (tmp_path / "run").mkdir()
    with Store(tmp_path / "run"):
        plugin(tmp_path / "run").setup(object())
