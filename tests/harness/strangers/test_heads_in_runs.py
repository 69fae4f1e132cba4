"""The same heads in a run: accuracy, curves and fidelity by what the outputs are, on the host and on a device."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.store import Store
from reports.data.view import RunView
from tests.harness.strangers.heads import OTHERS, SHAPE, SOFTMAXES, dense, logits, model_with

COUNT = 12
EXPERIMENT = """
formats = FORMATS
[dataset]
kind = "npz"
path = "data.npz"
[conversion]
calibration_images = 12
[accuracy]
images = 12
[saliency]
images = 3
methods = ["gradient"]
[quality]
metrics = [{ name = "insertion_auc", steps = 6 }]
[[quality.judge]]
formats = ["fp32"]
"""
MODEL = """
[[model]]
name = "{name}"
path = "{name}.keras"
{said}
[model.preprocessing]
height = 6
width = 6
"""


def view_of(folder: Path, models: dict[str, tuple[Any, str]], columns: int, formats: list[str]) -> RunView:
    """A run of models, with what their tables say, on images whose labels are what their logits say."""
    pixels = np.random.default_rng(1).integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
    values = logits((pixels - 127.5) / 127.5, columns)
    labels = values.argmax(1) if columns > 1 else (values[:, 0] > 0).astype(np.int64)
    np.savez(folder / "data.npz", test_images=pixels, test_labels=labels, train_images=pixels, train_labels=labels)
    text = EXPERIMENT.replace("FORMATS", json.dumps(formats))
    for name, (model, said) in models.items():
        model.save(folder / f"{name}.keras")
        text += MODEL.format(name=name, said=said)
    (folder / "heads.toml").write_text(text)
    summary = run(read_experiment(folder / "heads.toml"), folder / "run", worker_config=WorkerConfig(workers=0))
    assert summary.failed == 0
    return RunView(Store(folder / "run"))


def top_1(view: RunView) -> dict[tuple[str, str], float]:
    found = {}
    for unit in view.of_kind("accuracy"):
        predictions = view.store.predictions(unit.key)
        found[unit.spec["model"]["name"], unit.spec["format"]] = np.mean([p.label == p.ranked[0] for p in predictions])
    return found


def curves(view: RunView, model: str) -> dict[str, list[float | None]]:
    """Insertion areas by judge."""
    return {
        "float" if unit.spec["judge"] == "float" else "device": [score.value for score in view.scores(unit)]
        for unit in view.of_kind("quality")
        if unit.spec["model"]["name"] == model
    }


@pytest.fixture(scope="module")
def one_column(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    models = {
        "sigmoid": (model_with(OTHERS["a sigmoid"][0], 1), ""),
        "logit": (model_with(OTHERS["one logit"][0], 1), 'classes = 2\noutput = "logit"'),
    }
    return view_of(tmp_path_factory.mktemp("one"), models, 1, ["fp32", "int8"])


@pytest.fixture(scope="module")
def three_columns(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    heads = {"softmax": "the last layer", "logits": "no softmax"}
    models = {name: (model_with(SOFTMAXES[head]), "") for name, head in heads.items()}
    models["sigmoids"] = (model_with(OTHERS["three sigmoids"][0]), "")
    return view_of(tmp_path_factory.mktemp("three"), models, 3, ["fp32"])


def test_a_single_sigmoid_classifies_by_its_threshold_in_every_format(one_column: RunView) -> None:
    found = top_1(one_column)
    assert {found[name, format_] for name in ("sigmoid", "logit") for format_ in ("keras", "fp32")} == {1.0}
    assert min(found[name, "int8"] for name in ("sigmoid", "logit")) >= 11 / 12, "int8 may round one close call"


def test_curves_of_one_column_are_probabilities_of_both_classes(one_column: RunView) -> None:
    of_sigmoid, of_logit = (curves(one_column, name) for name in ("sigmoid", "logit"))
    assert set(of_sigmoid) == {"float", "device"}
    np.testing.assert_allclose(of_logit["float"], of_sigmoid["float"], rtol=1e-5)
    np.testing.assert_allclose(of_sigmoid["device"], of_sigmoid["float"], rtol=1e-4)
    assert len({round(value or 0, 6) for value in of_sigmoid["float"]}) == 3, "not 1 for every map"


def test_curves_of_logits_are_those_of_the_softmax(three_columns: RunView) -> None:
    expected, found = (curves(three_columns, name) for name in ("softmax", "logits"))
    np.testing.assert_allclose(found["float"], expected["float"], rtol=1e-5)
    np.testing.assert_allclose(found["device"], expected["device"], rtol=1e-4)
    assert all(0 <= (value or 0) <= 1 for value in expected["float"])


def test_every_head_over_the_same_logits_has_the_same_accuracy(three_columns: RunView) -> None:
    found = top_1(three_columns)
    assert {*found.values()} == {1.0}


def test_several_sigmoids_are_judged_by_exact_matches_too(three_columns: RunView) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)
    there = logits((pixels - 127.5) / 127.5, 3) > 0
    expected = np.mean(there.sum(1) == 1)  # labels are the greatest logit: that one alone is there
    units = {(u.spec["model"]["name"], u.spec["format"]): u.result for u in three_columns.of_kind("accuracy")}
    assert (
        units["sigmoids", "keras"]["exact_match"] == units["sigmoids", "fp32"]["exact_match"] == pytest.approx(expected)
    )
    assert "exact_match" not in units["softmax", "keras"]


def test_an_artifact_agrees_with_its_model_whatever_the_head(one_column: RunView, three_columns: RunView) -> None:
    for view in (one_column, three_columns):
        for unit in view.of_kind("fidelity"):
            exact = unit.spec["format"] == "fp32"
            assert unit.result["top1_agreement"] == 1.0 or not exact, unit.spec
            assert unit.result["max_abs_score_difference"] < (1e-5 if exact else 0.2), unit.spec


def test_units_of_a_softmax_keep_their_keys_and_others_name_their_outputs(three_columns: RunView) -> None:
    records = three_columns.models
    assert "output" not in records["softmax"]
    assert records["sigmoids"]["output"] == "independent-probabilities"


# ---------------------------------------------------------------------------------------------------------- explain
def explained(folder: Path, model: Any, *options: str) -> tuple[dict[str, Any], str]:
    """What `bitlens explain` says of one grey-free picture: its JSON, and its text."""
    from PIL import Image
    from typer.testing import CliRunner

    from harness.cli.app import app

    Image.fromarray(np.random.default_rng(5).integers(0, 256, SHAPE, dtype=np.uint8)).save(folder / "picture.png")
    model.save(folder / "mine.keras")
    said = []
    for form in (["--json"], []):
        command = ["explain", str(folder / "mine.keras"), str(folder / "picture.png"), "--method", "gradient"]
        result = CliRunner().invoke(app, [*command, "--out", str(folder / "out"), *options, *form])
        if result.exception is not None:
            raise result.exception
        said.append(result.stdout)
    (record,) = json.loads(said[0])
    return record, said[1]


def chances_of_picture(columns: int) -> np.ndarray:
    from scipy.special import expit

    pixels = np.random.default_rng(5).integers(0, 256, SHAPE, dtype=np.uint8)
    chances: np.ndarray = expit(logits((pixels[None] - 127.5) / 127.5, columns))[0]
    return chances


def test_a_sigmoid_is_explained_as_two_classes_with_the_name_of_one(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("person\n")
    record, text = explained(tmp_path, model_with(OTHERS["a sigmoid"][0], 1), "--labels", str(tmp_path / "names.txt"))
    chance = chances_of_picture(1)[0]
    found = {row["name"]: row["probability"] for row in record["predicted"]}
    assert found == pytest.approx({"person": chance, "not person": 1 - chance}, abs=1e-5)
    assert record["output"] == {"kind": "probability", "known": "found by their values"}
    assert "one probability: of class 1, and what is left is class 0 (found by their values)" in text
    (row, *_) = record["maps"]
    assert 0 < row["insertion_auc"] < 1


def test_a_softmax_before_an_identity_is_shown_once_and_called_probabilities(tmp_path: Path) -> None:
    from scipy.special import softmax

    record, text = explained(tmp_path, model_with(SOFTMAXES["followed by identity"]))
    pixels = np.random.default_rng(5).integers(0, 256, SHAPE, dtype=np.uint8)
    expected = np.sort(softmax(logits((pixels[None] - 127.5) / 127.5, 3)[0]))[::-1]
    assert [row["probability"] for row in record["predicted"]] == pytest.approx(list(expected), abs=1e-5)
    assert "logits" not in text


def test_three_sigmoids_are_shown_each_by_itself(tmp_path: Path) -> None:
    record, _ = explained(tmp_path, model_with(OTHERS["three sigmoids"][0]))
    found = {row["class"]: row["probability"] for row in record["predicted"]}
    assert found == pytest.approx(dict(enumerate(chances_of_picture(3))), abs=1e-5)


def test_outputs_may_be_declared_and_the_headline_says_so(tmp_path: Path) -> None:
    record, text = explained(tmp_path, model_with(SOFTMAXES["no softmax"]), "--output", "independent-logits")
    assert "(declared)" in text
    found = {row["class"]: row["probability"] for row in record["predicted"]}
    assert found == pytest.approx(dict(enumerate(chances_of_picture(3))), abs=1e-5)


@pytest.mark.parametrize("package", ["tf_keras", "keras"])
def test_scores_in_a_dictionary_are_refused_in_a_sentence(package: str, tmp_path: Path) -> None:
    model = model_with(
        lambda k, x: {"scores": k.layers.Activation("softmax")(dense(k, x))}, keras=import_module(package)
    )
    with pytest.raises(ConfigError, match='expected class scores, got a dictionary of them, "scores"'):
        explained(tmp_path, model)
