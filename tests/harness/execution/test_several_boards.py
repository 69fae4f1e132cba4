"""Three boards at work in one run, one of which is lost for good in the middle: the others finish, the report says why.

Stages are stand-ins that give records as the real ones do; the boards are fakes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.devices.transport.faults import Away, ConnectionCut
from harness.execution import attendance, board_threads
from harness.execution.coordinator import RunSummary
from harness.execution.coordinator import run as run_with
from harness.execution.sizing import WorkerConfig
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Prediction, Unit
from harness.store.store_reader import ReadOnlyStore
from reports.data.view import RunView
from reports.tables.comparison import comparison
from reports.write import write_report
from tests.reports.ready_agent import latency_record
from tests.reports.recorded_results import result_of

EXPERIMENT = """
models = ["planted-float"]
formats = ["fp32", "int8"]
[dataset]
kind = "planted"
[latency]
rounds = 2
[[device]]
name = "this-host"
[[device]]
name = "pi4"
kind = "ssh"
host = "pi@pi4"
wait_s = 0
[[device]]
name = "pi5"
kind = "ssh"
host = "pi@pi5"
"""
REFUSED = 'device "pi4": ssh pi@pi4: Connection refused'
gone: set[str] = set()  # boards that have no power
begun: Counter[str] = Counter()  # units, by board; and those that measure latency, by board and kind


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
    board = (unit.spec.get("device") or {"name": ""})["name"]
    if board in gone:
        raise Away(REFUSED)
    begun.update([board, f"{board} {unit.kind}"])
    return _RESULTS[unit.kind](unit, board, context)


def _latency(unit: Unit, board: str, context: Any) -> Outcome:
    if board == "pi4" and begun["pi4 latency"] == 2:
        gone.add(board)
        raise ConnectionCut('device "pi4": the agent was lost in measure: connection cut', verb="measure")
    return Outcome(result=latency_record(unit.spec, samples_ns=[5_000_000] * 60))


def _conversion(unit: Unit, board: str, context: Any) -> Outcome:
    return Outcome(result=result_of("conversion", blob=context.store.save_blob(unit.spec["format"].encode())))


def _accuracy(unit: Unit, board: str, context: Any) -> Outcome:
    right = Prediction(image="test/000000", label=0, ranked=(0, 1, 2, 3, 4), scores=(0.5, 0.2, 0.1, 0.1, 0.1))
    return Outcome(result=result_of("accuracy"), predictions=[right])


_RESULTS = {
    "images": lambda unit, board, context: Outcome(result=result_of("images", blob=None, masks_blob=None)),
    "conversion": _conversion,
    "fidelity": lambda unit, board, context: Outcome(result=result_of("fidelity")),
    "accuracy": _accuracy,
    "latency": _latency,
    "saliency": lambda unit, board, context: Outcome(result=result_of("saliency", blob=None)),
    "quality": lambda unit, board, context: Outcome(result=result_of("quality")),
}


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    gone.clear()
    begun.clear()
    for kind, stage in STAGES.items():
        monkeypatch.setitem(STAGES, kind, Stage(perform=f"{__name__}:perform", doing=stage.doing))
    make_device = board_threads.make_device
    monkeypatch.setattr(board_threads, "make_device", lambda row: _Fake(make_device(row)))
    wait_for = attendance.wait_for
    monkeypatch.setattr(
        attendance, "wait_for", lambda device, **how: wait_for(device, **how, sleep=lambda seconds: None)
    )


class _Fake:
    def __init__(self, device: Any) -> None:
        self.name, self.kind, self.wait_s = device.name, device.kind, getattr(device, "wait_s", None)

    @contextmanager
    def open(self) -> Iterator[Any]:
        if self.name in gone:
            raise Away(REFUSED)
        yield self

    def request(self, verb: str, *, deadline_s: float) -> dict[str, Any]:
        return {}


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "boards.toml").write_text(EXPERIMENT)
    return read_experiment(tmp_path / "boards.toml")


def run(experiment: Experiment, folder: Path, **options: Any) -> RunSummary:
    return run_with(experiment, folder, worker_config=WorkerConfig(workers=0), **options)


def statuses(folder: Path) -> dict[tuple[str, str], Any]:
    with ReadOnlyStore(folder) as store:
        rows = comparison(store)
    return {(row.device, row.format): row for row in rows.itertuples() if row.format != "keras"}


def test_the_other_boards_finish_and_the_report_says_what_is_missing_and_why(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run(experiment, tmp_path / "run")
    rows = statuses(tmp_path / "run")
    assert {rows[board, format].status for board in ("this-host", "pi5") for format in ("fp32", "int8")} == {"done"}
    of_pi4 = [rows["pi4", "fp32"], rows["pi4", "int8"]]
    assert sorted(row.status for row in of_pi4) == ["away", "failed"]
    lost = next(row for row in of_pi4 if row.status == "failed")
    assert "the agent was lost in measure: connection cut" in lost.reason
    away = next(row for row in of_pi4 if row.status == "away")
    assert "board away: it did not answer" in away.reason
    assert "Connection refused" in away.reason
    assert summary.failed == 1
    assert summary.away == 6 - begun["pi4"] > 0  # of two rounds and the accuracy of two artifacts
    page = write_report(tmp_path / "run").page.read_text()
    assert f"{summary.away} units of work could not begin" in page.replace("</b>", "")
    assert "board away" in page
    assert capsys.readouterr().err.count("pi4 is away; its units wait for the next run: ") == 1


def test_the_same_command_does_what_was_left_and_not_what_failed(experiment: Experiment, tmp_path: Path) -> None:
    left = run(experiment, tmp_path / "run").away
    gone.clear()
    before = begun["pi5"]
    summary = run(experiment, tmp_path / "run")
    assert summary.done == left
    assert summary.away == 0
    assert begun["pi5"] == before
    assert {row.status for row in statuses(tmp_path / "run").values()} == {"done", "failed"}
    summary = run(experiment, tmp_path / "run", retry_failed=True)
    assert summary.done == 1
    assert {row.status for row in statuses(tmp_path / "run").values()} == {"done"}


DEPLOYED = """
[saliency]
images = 2
methods = [{name = "rise"}]
[[saliency.on_device]]
methods = [{name = "rise"}]
formats = ["fp32"]
devices = ["pi4"]
[quality]
metrics = [{name = "sparseness"}]
"""


def test_what_builds_on_a_unit_of_a_board_that_is_away_is_away_too(tmp_path: Path) -> None:
    (tmp_path / "deployed.toml").write_text(EXPERIMENT.replace("[[device]]", f"{DEPLOYED}[[device]]", 1))
    gone.add("pi4")
    summary = run(read_experiment(tmp_path / "deployed.toml"), tmp_path / "run")
    assert summary.failed == 0
    assert summary.away == 6 + 2  # the maps that the board computes, and their sparseness
    with ReadOnlyStore(tmp_path / "run") as store:
        away = [unit for unit in RunView(store).units if unit.status == "away"]
    assert {unit.kind for unit in away} == {"latency", "accuracy", "saliency", "quality"}
    assert all("Connection refused" in unit.reason for unit in away)


def test_how_long_a_board_is_waited_for_changes_no_unit(experiment: Experiment) -> None:
    assert "wait_s" not in next(device for device in experiment.devices if device.name == "pi4").spec()
    assert next(device for device in experiment.devices if device.name == "pi4").address()["wait_s"] == 0
