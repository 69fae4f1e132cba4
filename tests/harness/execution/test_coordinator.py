"""A run does what is missing, keeps what is done, and turns a failure into a row with its reason."""

from __future__ import annotations

import io
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.execution.coordinator import RunSummary, opened
from harness.execution.coordinator import run as run_with
from harness.execution.sizing import WorkerConfig
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Store, Unit

EXPERIMENT = """
models = ["planted-float"]
formats = ["fp32", "fp16"]
[dataset]
kind = "planted"
[saliency]
methods = [{name = "gradient"}]
"""

performed: list[str] = []


def run(experiment: Experiment, folder: Path, **options: Any) -> RunSummary:
    """In this very process, so that it can be watched."""
    return run_with(experiment, folder, worker_config=WorkerConfig(workers=0), **options)


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
    """Stands in for every stage: remembers the order, and builds on other units as the real ones do."""
    performed.append(unit.kind)
    if "conversion" in unit.needs:
        context.result(unit.needs["conversion"])
    if unit.spec.get("format") == "fp16" and unit.kind == "conversion":
        raise ValueError("no room")
    return Outcome(result={"made": True})


@pytest.fixture(autouse=True)
def _quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    performed.clear()
    for kind in STAGES:
        monkeypatch.setitem(STAGES, kind, Stage(perform=f"{__name__}:perform", doing=kind))


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "experiment.toml").write_text(EXPERIMENT)
    return read_experiment(tmp_path / "experiment.toml")


def test_second_run_does_nothing(experiment: Experiment, tmp_path: Path) -> None:
    first = run(experiment, tmp_path / "run")
    done = len(performed)
    second = run(experiment, tmp_path / "run")
    assert len(performed) == done
    assert (second.done, second.failed) == (0, 0)
    assert second.done_before == first.done
    assert second.failed_before == first.failed


def test_run_brings_an_older_folder_to_the_present_schema_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Path(__file__).parents[2] / "recorded"
    folder = Path(shutil.copytree(recorded / "schema1", tmp_path / "run"))
    with opened(read_experiment(recorded / "twins.toml"), folder) as store:
        assert store.schema_found == 1
        assert store.counts()["accuracy"]["done"] > 0
    assert f"{folder}: migrated from an older bitlens" in capsys.readouterr().err


def test_failed_unit_and_those_that_build_on_it_have_rows_with_the_reason(
    experiment: Experiment, tmp_path: Path
) -> None:
    summary = run(experiment, tmp_path / "run")
    with Store(tmp_path / "run") as store:
        failed = [unit for unit in store.planned_units() if unit.status == "failed"]
    assert [unit.kind for unit in failed] == ["conversion", "fidelity", "accuracy"]
    assert failed[0].reason == "ValueError: no room"
    assert failed[1].reason == "needs the conversion, which failed: ValueError: no room"
    assert summary.failed == 3


def test_failed_units_are_tried_again_only_when_asked(experiment: Experiment, tmp_path: Path) -> None:
    run(experiment, tmp_path / "run")
    performed.clear()
    assert run(experiment, tmp_path / "run").failed_before == 3
    assert performed == []
    run(experiment, tmp_path / "run", retry_failed=True)
    assert performed == ["conversion"]  # the others still wait for it


def test_what_was_finished_before_an_interruption_is_not_done_again(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as interrupted:
        interrupted.setattr(sys, "stderr", Interrupted("saliency 1/1"))
        with pytest.raises(KeyboardInterrupt):
            run(experiment, tmp_path / "run")
    before = list(performed)
    performed.clear()
    run(experiment, tmp_path / "run")
    assert Counter(before + performed) == {"images": 3, "conversion": 2, "accuracy": 2, "fidelity": 1, "saliency": 1}
    with Store(tmp_path / "run") as store:
        assert {unit.status for unit in store.planned_units("saliency")} == {"done"}


class Interrupted(io.StringIO):
    """Somebody reads along and presses Ctrl-C at these words; with a real signal in test_dask_pool.py."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def write(self, text: str) -> int:
        if self._words in text:
            raise KeyboardInterrupt
        return super().write(text)


def test_second_run_in_the_same_folder_is_refused_while_the_first_works(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    global refusal, in_use
    in_use = tmp_path / "run"
    monkeypatch.setitem(STAGES, "images", Stage(perform=f"{__name__}:run_again", doing="images"))
    refusal = None
    run(experiment, tmp_path / "run")
    assert "another run is working in it" in str(refusal)


refusal: ConfigError | None = None
in_use = Path()


def run_again(unit: Unit, context: Any, progress: Any) -> Outcome:
    global refusal
    try:
        run(context.experiment, in_use)
    except ConfigError as error:
        refusal = error
    return Outcome()


def test_start_says_what_is_done_and_what_is_left(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(experiment, tmp_path / "run")
    assert "units of work (conversions, measurements, maps, scores), 0 done before" in capsys.readouterr().err
    run(experiment, tmp_path / "run")
    assert "0 to do" in capsys.readouterr().err


def test_a_folder_of_an_older_bitlens_is_migrated_with_one_sentence(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(Path(__file__).parents[2] / "recorded" / "schema1", tmp_path / "old"))
    for sentences in (1, 0):
        with opened(experiment, folder):
            pass
        lines = capsys.readouterr().err.splitlines()
        assert sum(line.startswith(f"{folder}: migrated from an older bitlens") for line in lines) == sentences
