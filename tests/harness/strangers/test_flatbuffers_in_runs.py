"""Flatbuffers of strangers in runs: beside Keras models, with references of any kind, and what is only measured."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.execution.coordinator import run
from harness.execution.own_models import completed as complete_models
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.plan.planner import plan
from harness.stages.context import RunContext
from harness.store.unit_inputs import UnitInputs
from harness.store.units import Unit
from reports.write import write_report
from tests.harness.strangers.inputs import QUARTERS, brightest_quarter, pictures
from tests.harness.strangers.tflite_files import SHAPE, converted, quarters, with_background, written

DATA = '[dataset]\npath = "data.npz"\n'
EXPERIMENT = """
formats = ["fp32"]
[[model]]
path = "mine.keras"
[[model]]
path = "small.tflite"
reference = "mine"
[[model]]
path = "background.tflite"
reference = "small"
[[model]]
path = "beside.tflite"
keras = "mine.keras"
[[model]]
path = "alone.tflite"
[[model]]
path = "maps.tflite"
[latency]
rounds = 1
min_runs = 2
min_seconds = 0
"""


def data(folder: Path, copies: int = 3) -> None:
    images = np.repeat(pictures(SHAPE), copies, axis=0)
    labels = np.repeat(np.arange(QUARTERS), copies)
    np.savez(folder / "data.npz", test_images=images, test_labels=labels)


def planned(folder: Path, text: str) -> list[Unit]:
    (folder / "theirs.toml").write_text(text)
    wanted = complete_models(read_experiment(folder / "theirs.toml"))
    return plan(wanted, RunContext(wanted, UnitInputs(folder)).dataset_of)


def rows_of(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "comparison.csv").open() as file:
        return {(row["model"], row["format"]): row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_flatbuffers_and_keras_models_share_a_comparison(tmp_path: Path) -> None:
    import tf_keras

    data(tmp_path)
    brightest_quarter(tf_keras, SHAPE).save(tmp_path / "mine.keras")
    written(tmp_path, quarters("int8"), "small.tflite")
    written(tmp_path, with_background(), "background.tflite")
    for name in ("beside", "alone"):
        written(tmp_path, quarters(), f"{name}.tflite")
    maps = tf_keras.Sequential([tf_keras.Input(SHAPE), tf_keras.layers.Conv2D(2, 3)])
    written(tmp_path, converted(maps), "maps.tflite")
    (tmp_path / "theirs.toml").write_text(EXPERIMENT + DATA)
    summary = run(read_experiment(tmp_path / "theirs.toml"), tmp_path / "run", worker_config=WorkerConfig(workers=0))
    assert summary.failed == 0
    page = write_report(tmp_path / "run").page.read_text()
    rows = rows_of(tmp_path / "run")
    scored = {
        ("mine", "keras"), ("mine", "fp32"), ("small", "tflite"), ("background", "tflite"),
        ("beside", "keras"), ("beside", "tflite"), ("alone", "tflite"),
    }  # fmt: skip
    assert set(rows) == {*scored, ("maps", "tflite")}
    for key in scored:
        assert (rows[key]["status"], float(rows[key]["top1"]), rows[key]["accuracy_images"]) == ("done", 1.0, "12")
    compared = {name: rows[name, "tflite"] for name in ("small", "background", "beside", "alone", "maps")}
    assert {name: row["reference"] for name, row in compared.items()} == {
        "small": "mine", "background": "small", "beside": "beside", "alone": "", "maps": "",
    }  # fmt: skip
    for name in ("small", "background", "beside"):
        assert (compared[name]["fidelity"], float(compared[name]["top1_agreement"])) == ("ok", 1.0)
    assert (compared["alone"]["fidelity"], compared["alone"]["fidelity_reason"]) == ("", "no reference")
    assert float(compared["beside"]["max_abs_score_difference"]) < 1e-5
    only_measured = compared["maps"]
    assert only_measured["status"] == "done"
    assert (only_measured["top1"], only_measured["latency_rounds"]) == ("", "1")
    assert only_measured["mark"].startswith(
        "latency only: its output float32 (1, 14, 14, 2) is not one score for each class"
    )
    assert all(int(row["latency_rounds"] or 0) == (row["format"] != "keras") for row in rows.values())
    assert list(dict.fromkeys(row for row, _ in rows)) == ["mine", "small", "background", "beside", "alone", "maps"]
    assert "latency only: its output float32" in page


def test_what_is_stored_of_a_class_behind_background_is_its_label(tmp_path: Path) -> None:
    data(tmp_path)
    written(tmp_path, with_background(), "theirs.tflite")
    written(tmp_path, quarters(), "other.tflite")
    one = '[[model]]\npath = "theirs.tflite"\nbackground_class = true\n'
    other = '[[model]]\npath = "theirs.tflite"\nclass_map = [1, 2, 3, 4]\n'
    (tmp_path / "map.txt").write_text("1\n2\n3\n4\n")
    third = '[[model]]\npath = "theirs.tflite"\nclass_map = "map.txt"\n'
    said = [{unit.key for unit in planned(tmp_path, text + DATA)} for text in (one, other, third)]
    assert said[0] == said[1] == said[2]
    [model] = {unit.spec["model"]["classes"] for unit in planned(tmp_path, one + DATA) if "model" in unit.spec}
    assert model == QUARTERS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('reference = "nobody"', 'reference: expected .*got "nobody"'),
        ('reference = "theirs"', "expected another model, got its own name"),
        ('reference = "other"\nkeras = "x.h5"', "expected keras or reference, got both"),
        ("class_map = [0, 1, 2, -1]", "class_map: expected a list with the class of each label"),
        ("class_map = []", "class_map: expected a list with the class of each label"),
        ('class_map = "missing.txt"', "missing.txt"),
        ("class_map = [0, 1, 2, 3]\nbackground_class = true", "expected class_map or background_class, got both"),
        ("background_class = 1", "background_class: expected"),
    ],
)
def test_a_table_that_cannot_be_is_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    table = f'[[model]]\npath = "theirs.tflite"\n{text}\n[[model]]\npath = "other.tflite"\n'
    (tmp_path / "theirs.toml").write_text(table + DATA)
    with pytest.raises(ConfigError, match=sentence):
        read_experiment(tmp_path / "theirs.toml")


def test_what_is_said_of_a_flatbuffer_is_refused_of_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "theirs.toml").write_text('[[model]]\nname = "planted-float"\nbackground_class = true\n' + DATA)
    with pytest.raises(ConfigError, match="the models of the catalogue are known"):
        read_experiment(tmp_path / "theirs.toml")


def test_a_reference_of_other_classes_is_refused(tmp_path: Path) -> None:
    data(tmp_path)
    written(tmp_path, quarters(), "theirs.tflite")
    written(tmp_path, with_background(), "other.tflite")
    text = (
        '[[model]]\npath = "theirs.tflite"\nreference = "other"\n'
        '[[model]]\npath = "other.tflite"\nbackground_class = false\n'
    )
    with pytest.raises(ConfigError, match='expected a model of 4 classes, got "other", which has 5'):
        planned(tmp_path, text + DATA)
