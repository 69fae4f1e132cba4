"""A run in bfloat16: its units say what the precision did to the first maps, and its report which rows are in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.saliency import precision
from harness.store import Store
from reports.data.view import RunView, full_label

EXPERIMENT = """
models = ["planted-float"]
[dataset]
kind = "planted"
[accuracy]
images = 3
[saliency]
images = 3
precision = "bfloat16"
methods = ["gradient", { name = "finite_differences", grid = 1 }]
"""


def test_a_run_in_bfloat16_says_so_and_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    (tmp_path / "halves.toml").write_text(EXPERIMENT)
    experiment = read_experiment(tmp_path / "halves.toml")
    summary = run(experiment, tmp_path / "run", worker_config=WorkerConfig(workers=0), stages=["saliency"])
    assert summary.failed == 0
    view = RunView(Store(tmp_path / "run"))
    units = {unit.spec["method"]: unit for unit in view.of_kind("saliency")}
    halved, usual = units["gradient"], units["finite_differences"]

    error = halved.result["precision_error"]
    assert (error["images"], "precision_error" in usual.result) == (3, False)
    assert 0.9 < error["correlation"] < 1
    assert abs(error["insertion_difference"]) < 0.05
    assert halved.result["notes"][-1].startswith("bfloat16 against float32, 3 images: least correlation 0.9")
    assert view.method_labels[halved.key] == "gradient in bfloat16"
    assert full_label(usual.spec).startswith("finite_differences ")
