"""Workers that share no folder with the coordinator exchange files through a storage, each fetched once."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.execution.storage_exchange import fetch_blobs
from harness.execution.task import TaskResult
from harness.experiment.reader import read_experiment
from harness.models.catalogue import WEIGHTS
from harness.stages.stage_table import STAGES
from harness.store import Outcome, Unit
from harness.store.blobs import Damaged
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs
from tests.harness.execution import hidden
from tests.harness.execution.loopback import dask_on_loopback
from tests.harness.execution.simulated import STAGE, do, unit
from tests.harness.execution.twins import SMALL, undisturbed, written
from tests.same_store import assert_same_store


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what only workers see; that of the run is closed to them."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv(hidden.HIDDEN, str(tmp_path / "run"))
    monkeypatch.setenv(hidden.FETCHED, str(folder / "fetched"))
    return folder


def fetched(elsewhere: Path) -> list[str]:
    """A line for each time that a worker fetched a file: its process and the file's name."""
    return (elsewhere / "fetched").read_text().splitlines()


def fan(count: int) -> list[Unit]:
    """One array that all the others continue, of two models, so that both workers need it."""
    first = unit("a", "array", number=0, after=None, seconds=0.0)
    rest = [unit("ab"[n % 2], "array", number=n, after=first, seconds=0.05) for n in range(1, count)]
    return [first, *rest]


def test_workers_that_see_no_folder_fetch_each_file_once_and_results_arrive_in_the_run(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "simulated", STAGE)
    do(tmp_path / "alone", fan(12), WorkerConfig(workers=0))
    with dask_on_loopback(elsewhere, preload=hidden.__name__) as dask:
        do(tmp_path / "run", fan(12), WorkerConfig(cluster=dask.address, storage=f"file://{tmp_path / 'storage'}"))
    assert_same_store(tmp_path / "alone", tmp_path / "run")
    assert set(Counter(fetched(elsewhere)).values()) == {1}
    assert {path.name for path in (tmp_path / "storage").iterdir()} == {
        path.name for path in (tmp_path / "run" / "blobs").iterdir()
    }


@pytest.mark.slow
def test_twins_with_weights_from_a_file_find_the_same_through_a_storage(tmp_path: Path, elsewhere: Path) -> None:
    shutil.copy(WEIGHTS / "planted-binary.h5", tmp_path / "mine.h5")
    named = '[[model]]\nname = "planted-binary"\nweights = "mine.h5"\n'
    experiment = written(tmp_path, SMALL.replace(', "planted-binary"]', "]") + named)
    whole = undisturbed(experiment)
    with dask_on_loopback(elsewhere, preload=hidden.__name__) as dask:
        worker_config = WorkerConfig(cluster=dask.address, storage=str(tmp_path / "storage"))
        assert run(read_experiment(experiment), tmp_path / "run", worker_config=worker_config).failed == 0
    assert_same_store(whole, tmp_path / "run")
    assert set(Counter(fetched(elsewhere)).values()) == {1}
    assert list(elsewhere.glob("dask-scratch-space/*/blobs/*.h5"))  # what a worker read the weights from


def test_store_of_objects_that_renames_nothing_serves_as_well_as_a_folder(tmp_path: Path) -> None:
    storage = Storage(url=f"memory://{tmp_path.name}")
    storage.check()
    name = UnitInputs(tmp_path / "one", storage).save_blob(b"content")
    UnitInputs(tmp_path / "two", storage).save_blob(b"content")  # it is there already
    assert UnitInputs(tmp_path / "other", storage).blob_path(name).read_bytes() == b"content"
    storage.remove(name)
    storage.remove(name)
    with pytest.raises(Damaged, match=name):
        UnitInputs(tmp_path / "third", storage).blob_path(name)


def test_file_that_is_damaged_in_the_storage_can_be_made_again(tmp_path: Path) -> None:
    storage = Storage(url=str(tmp_path / "storage"))
    name = UnitInputs(tmp_path / "one", storage).save_blob(b"content")
    (tmp_path / "storage" / name).write_bytes(b"cut")
    with pytest.raises(Damaged, match=name):
        UnitInputs(tmp_path / "other", storage).blob_path(name)
    UnitInputs(tmp_path / "one", storage).save_blob(b"content")
    assert UnitInputs(tmp_path / "other", storage).blob_path(name).read_bytes() == b"content"


def test_workers_own_copy_that_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    storage = Storage(url=str(tmp_path / "storage"))
    unit_inputs = UnitInputs(tmp_path / "one", storage)
    path = unit_inputs.blob_path(unit_inputs.save_blob(b"content"))
    path.write_bytes(b"cut")
    assert unit_inputs.blob_path(path.name).read_bytes() == b"content"


def test_storage_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigError, match=f"--storage {tmp_path}/file/in:"):
        Storage(url=str(tmp_path / "file" / "in")).check()


def test_unit_whose_results_are_gone_from_the_storage_has_failed_with_that_reason(tmp_path: Path) -> None:
    result = TaskResult(unit=unit("a"), seconds=1.0, outcome=Outcome(result={"map_blob": "0" * 64}))
    fetched = fetch_blobs(result, tmp_path / "run", Storage(url=str(tmp_path / "storage")))
    assert fetched.outcome is None
    assert fetched.reason.startswith(f"what a worker left in {tmp_path / 'storage'} cannot be fetched")
