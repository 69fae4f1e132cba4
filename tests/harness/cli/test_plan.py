"""`bitlens plan` as a person calls it, on a real plan whose units take an hour and a million bytes each."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from harness.cli.app import app
from harness.cli.text import size
from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.saying import duration
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Unit

EXPERIMENT = """
models = ["planted-float", "planted-binary"]
[dataset]
kind = "planted"
[saliency]
images = 8
batch = 1
methods = [{ name = "smoothgrad", noise_level = [0.1, 0.2] }]
[quality]
metrics = ["sparseness", "entropy"]
"""
# eight batches of images and those of accuracy and fidelity; two accuracies of Keras and two of this machine's
UNITS = {"images": 10, "conversion": 2, "fidelity": 2, "accuracy": 4, "saliency": 32, "quality": 64}
# two maps of each model and noise level, two scores of each model and metric, and the images that these need
TRIED = {"images": 4, "conversion": 2, "fidelity": 2, "accuracy": 2, "saliency": 8, "quality": 8}

performed: list[str] = []


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
    """Stands in for every stage."""
    performed.append(unit.key)
    return Outcome(result={"blob": context.store.save_blob(unit.key.encode().ljust(1_000_000))})


class HourGlass(threading.local):
    """A clock that goes on by an hour each time that a thread looks at it."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def monotonic(self) -> float:
        self._seconds += 3600.0
        return self._seconds


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its file, in a world where the stages are quick and the clock of a unit goes on by an hour."""
    performed.clear()
    for kind in STAGES:
        monkeypatch.setitem(STAGES, kind, Stage(perform=f"{__name__}:perform", doing=kind))
    monkeypatch.setattr("harness.execution.task.time", HourGlass())
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT)
    return path


def plan(experiment: Path, *options: str) -> Result:
    """In this very process, so that what it does can be watched."""
    out = str(experiment.parent / "run")
    result = CliRunner().invoke(app, ["plan", str(experiment), "--out", out, "--workers", "0", *options])
    assert result.exit_code == 0, result.output
    return result


def rows(result: Result) -> dict[str, list[str]]:
    """The table of the stages: what stands behind the name of each."""
    table = result.stdout.split("\n\n")[0].splitlines()[1:]
    cells = [re.split(" {2,}", line.strip()) for line in table]
    return {name: rest for name, *rest in cells}


def test_calibration_does_two_units_of_each_sort_and_multiplies(experiment: Path) -> None:
    result = plan(experiment, "--calibrate")
    left = {kind: UNITS[kind] - TRIED[kind] for kind in UNITS}
    assert rows(result) == {
        kind: [str(UNITS[kind]), str(TRIED[kind]), "0", str(n), *([duration(3600 * n), f"{n:.1f} MB"] if n else [])]
        for kind, n in left.items()
    } | {"accuracy": ["4", "2", "0", "2", "not known yet", "not known yet"]}
    assert len(performed) == sum(TRIED.values())
    hours = sum(left.values()) - left["accuracy"]  # of which nothing is known: devices are not tried
    assert f"more than {hours:.1f} h with 1 worker, and {hours:.1f} MB" in result.stdout
    assert (
        "not in the sum, because nothing like it has been done: accuracy planted-float fp32 this-host" in result.stdout
    )
    assert "--calibrate" not in result.stdout  # it has nothing left to do


def test_plan_uses_what_was_measured_before_and_does_nothing_itself(experiment: Path) -> None:
    calibrated = plan(experiment, "--calibrate")
    tried = list(performed)
    assert plan(experiment).stdout == calibrated.stdout
    assert performed == tried


def test_plan_names_what_costs_most_with_the_scores_of_the_maps_that_a_noise_level_makes(experiment: Path) -> None:
    expected = json.loads(plan(experiment, "--calibrate", "--json").stdout)
    cuts = {cut["without"]: cut["hours"] for cut in expected["cuts"]}
    left = {stage["kind"]: stage["to_do"] for stage in expected["stages"]}
    assert cuts["method smoothgrad"] == left["saliency"] + left["quality"]
    assert cuts["noise_level 0.1"] + cuts["noise_level 0.2"] == cuts["method smoothgrad"]
    assert cuts["metric sparseness"] + cuts["metric entropy"] == left["quality"]
    assert f"{cuts['method smoothgrad']:.1f} h  method smoothgrad" in plan(experiment).stdout


def test_run_does_not_do_again_what_a_calibration_did_and_then_all_is_done(experiment: Path) -> None:
    plan(experiment, "--calibrate")
    summary = run(read_experiment(experiment), experiment.parent / "run", worker_config=WorkerConfig(workers=0))
    assert summary.done_before == sum(TRIED.values())
    assert len(performed) == len(set(performed)) == sum(UNITS.values())
    result = plan(experiment)
    assert rows(result) == {kind: [str(n), str(n), "0", "0"] for kind, n in UNITS.items()}
    assert result.stdout.endswith("\n\nall is done\n")


@pytest.mark.parametrize("options", [(), ("--no-calibrate",)])
def test_plan_counts_does_nothing_and_says_what_it_does_not_know(experiment: Path, options: tuple[str, ...]) -> None:
    result = plan(experiment, *options)
    assert performed == []
    assert rows(result) == {
        kind: [str(n), "0", "0", str(n), "not known yet", "not known yet"] for kind, n in UNITS.items()
    }
    outlook = result.stdout.split("\n\n")[1].splitlines()
    unknown = "how long it takes is not known yet, because nothing like it has been done: images, "
    assert outlook[0].startswith(unknown)
    assert outlook[1].startswith("  try: --calibrate")


def test_mistake_in_the_experiment_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text('models = ["planted-float"]\n[dataset]\nkind = "plantd"\n')
    command = [sys.executable, "-m", "harness.cli.main", "plan", str(tmp_path / "e.toml")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('bitlens: e.toml [dataset] kind: expected a kind of data set, got "plantd"')
    assert [path.name for path in tmp_path.iterdir()] == ["e.toml"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.01, "under 0.1 s"),
        (0.36, "0.36 s"),
        (7.0, "7 s"),
        (36.0, "36 s"),
        (720.0, "12 min"),
        (12_600.0, "3.5 h"),
    ],
)
def test_a_time_has_the_unit_in_which_it_is_not_zero(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (12_345, "12.3 kB"), (1e6, "1.0 MB"), (3.21e9, "3.2 GB")])
def test_a_size_has_the_unit_in_which_it_is_not_zero(count: float, words: str) -> None:
    assert size(count) == words
