"""A run does again what was damaged since, of whatever kind, and nothing else; and it says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.execution.coordinator import RunSummary, opened
from harness.execution.coordinator import run as run_with
from harness.execution.sizing import WorkerConfig
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Prediction, ReadOnlyStore, Score, Unit

EXPERIMENT = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
[saliency]
methods = [{name = "gradient"}]
[quality]
metrics = [{name = "sparseness"}]
"""

performed: list[str] = []


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
    """Stands in for every stage, and saves what depends on the unit alone."""
    performed.append(unit.key)
    number = int(unit.key[:6], 16)
    blobs = {name: context.store.save_array(np.full(5, number + i)) for i, name in enumerate(("blob", "masks_blob"))}
    return Outcome(
        result={**blobs, "value": number},
        scores=[Score(image="i", value=number / 3)],
        predictions=[Prediction(image="i", label=1, ranked=(1, 0), scores=(0.75, 0.25))],
    )


@pytest.fixture(autouse=True)
def _quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in STAGES:
        monkeypatch.setitem(STAGES, kind, Stage(perform=f"{__name__}:perform", doing=kind))


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "experiment.toml").write_text(EXPERIMENT)
    return read_experiment(tmp_path / "experiment.toml")


@pytest.fixture
def folder(experiment: Experiment, tmp_path: Path) -> Path:
    run(experiment, tmp_path / "run")
    performed.clear()
    return tmp_path / "run"


def run(experiment: Experiment, folder: Path) -> RunSummary:
    return run_with(experiment, folder, worker_config=WorkerConfig(workers=0))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "altered": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("name", ["blob", "masks_blob"])
@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_blob_of_any_kind_has_its_unit_done_again(
    experiment: Experiment, folder: Path, how: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ReadOnlyStore(folder) as store:
        units = list(store.planned_units())
        before = [(unit.key, unit.result) for unit in units]
    assert len({unit.kind for unit in units}) >= 5
    for unit in units:
        DAMAGE[how](folder / "blobs" / unit.result[name])
        capsys.readouterr()
        summary = run(experiment, folder)
        assert performed == [unit.key]
        said = capsys.readouterr().err
        assert "1 unit had damaged results and is done again" in said
        assert f"{len(units)} units of work" in said
        assert f", {len(units) - 1} done before, 1 to do" in said
        assert (summary.done, summary.failed) == (1, 0)
        performed.clear()
    with ReadOnlyStore(folder) as store:
        assert not store.damage
        assert [(unit.key, unit.result) for unit in store.planned_units()] == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE unit SET result = replace(result, ':', ': ')",
        "UPDATE unit SET seconds = 1e9",
        "UPDATE score SET value = value + 1",
        "UPDATE prediction SET scores = '[1.0,0.0]'",
    ],
)
def test_altered_rows_have_their_units_done_again(
    experiment: Experiment, folder: Path, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = sqlite3.connect(folder / "store.sqlite")
    with database:
        database.execute(statement)
    database.close()
    with ReadOnlyStore(folder) as store:
        count = len(list(store.planned_units()))
    summary = run(experiment, folder)
    assert f"{count} units had damaged results and are done again" in capsys.readouterr().err
    assert (summary.done_before, summary.done) == (0, count)
    with ReadOnlyStore(folder) as store:
        assert not store.damage


def test_what_an_earlier_plan_left_damaged_is_not_counted(
    experiment: Experiment, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ReadOnlyStore(folder) as store:
        blob = next(store.planned_units("quality")).result["blob"]
    (folder / "blobs" / blob).unlink()
    (tmp_path / "less.toml").write_text(EXPERIMENT.partition("[saliency]")[0])
    run(read_experiment(tmp_path / "less.toml"), folder)
    assert "damaged" not in capsys.readouterr().err
    run(experiment, folder)
    assert len(performed) == 1
    with ReadOnlyStore(folder) as store:
        assert not store.damage


def test_planning_says_what_is_damaged_and_counts_it_as_work(
    experiment: Experiment, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next((folder / "blobs").iterdir()).write_bytes(b"")
    with opened(experiment, folder) as store:
        assert sum(of["planned"] for of in store.counts().values()) == 1
    assert "1 unit had damaged results and is done again" in capsys.readouterr().err


def test_lost_commits_are_said_and_done_again(
    experiment: Experiment, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "store.commits").write_text(f"{10**6}\n")
    run(experiment, folder)
    assert f"{folder}: the last " in capsys.readouterr().err
    run(experiment, folder)
    assert "commits" not in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"power was cut here" * 300, None])
def test_run_refuses_a_folder_whose_database_is_gone_and_leaves_it_alone(
    experiment: Experiment, folder: Path, content: bytes | None
) -> None:
    path = folder / "store.sqlite"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"its store\.sqlite is "):
        run(experiment, folder)
    assert performed == []
    assert (path.read_bytes() if path.exists() else None) == content
