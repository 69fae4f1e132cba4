"""A stranger has a `.tflite` file and a picture, and asks what the file sees in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from device.preprocessing import preprocess
from harness.cli.app import app
from harness.errors import ConfigError
from tests.device.make_artifacts import FOLDER, RECORD

FLOAT = FOLDER / "float.tflite"
WINDOW = ("--parameter", "window=0.5", "--parameter", "stride=0.25")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    with np.load(FOLDER / "float.npz") as made:
        Image.fromarray(made["images"][3]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def explain(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)], catch_exceptions=True)


def record_of(picture: Path, file: Path, *arguments: object) -> dict[str, Any]:
    done = explain(file, picture, "--out", picture.parent / "out", "--json", *arguments)
    if done.exception is not None:
        raise done.exception
    (record,) = json.loads(done.stdout)
    assert isinstance(record, dict)
    return record


def refusal(*arguments: object) -> str:
    error = explain(*arguments).exception
    assert isinstance(error, ConfigError), error
    return str(error)


def probabilities(record: dict[str, Any]) -> dict[int, float]:
    return {row["class"]: row["probability"] for row in record["predicted"]}


# ------------------------------------------------------------------------------------------------------------- answers
@pytest.mark.parametrize("name", ["float", "int8", "batch4", "lce"])
def test_any_file_is_explained_by_its_own_scores_and_its_inner_tensors(name: str, picture: Path) -> None:
    """Floats, integers, four images at a time, binarized convolutions: probabilities are those that were recorded."""
    with np.load(FOLDER / f"{name}.npz") as made:
        expected = made["scores"][3]
    methods = (
        "--method",
        "occlusion",
        "--method",
        "scorecam",
        "--method",
        "finite_differences",
        "--parameter",
        "grid=2",
    )
    record = record_of(picture, FOLDER / f"{name}.tflite", *methods, *WINDOW)
    for index, probability in probabilities(record).items():
        assert probability == pytest.approx(expected[index], abs=0.02 if name == "int8" else 1e-3)
    maps = {row["method"].split()[0]: row for row in record["maps"]}
    assert {"occlusion", "scorecam", "finite_differences"} < set(maps)
    assert all(0 <= row["insertion_auc"] <= 1 for row in maps.values() if row["insertion_auc"] is not None)


def test_a_map_of_the_command_is_the_one_of_the_library_and_the_file_judges_it(picture: Path) -> None:
    from harness.models.flatbuffer_model import read_flatbuffer
    from harness.models.flatbuffer_scorer import scorer_of_model
    from harness.quality.evaluation import evaluate
    from harness.quality.inputs import MetricInputs
    from harness.quality.judges import FloatJudge
    from harness.saliency import compute

    record = record_of(picture, FLOAT, "--method", "rise", "--parameter", "masks=20", "--seed", 4)
    scorer, image = scorer_of_model(read_flatbuffer("float", FLOAT), "probabilities"), np.asarray(Image.open(picture))
    target = record["target"]["class"]
    inputs = preprocess(image[None], RECORD)
    made = compute(scorer, "rise", inputs, [target], ["photo.png"], seed=4, parameters={"masks": 20})
    judge = FloatJudge(lambda images: scorer.scores(preprocess(images, RECORD)))
    asked = MetricInputs(images=image[None], targets=np.array([target]), keys=("photo.png",), seed=4, judge=judge)
    for metric in ("insertion_auc", "deletion_auc"):
        expected = evaluate(metric, made.maps((8, 8)), asked).values[0]
        assert record["maps"][0][metric] == pytest.approx(expected, abs=1e-6)


def test_nothing_but_a_file_and_a_picture_gives_methods_of_scores(picture: Path) -> None:
    record = record_of(picture, FLOAT, "--parameter", "masks=10", *WINDOW)
    assert [row["method"].split()[0] for row in record["maps"] if row["picture"]] == ["rise", "occlusion"]
    assert record["output"] == {"kind": "probabilities", "known": "known by its last operator"}


@pytest.mark.parametrize("name", ["model.lite", "model.bin"])
def test_a_flatbuffer_is_one_whatever_it_is_called(name: str, picture: Path) -> None:
    shutil.copy(FLOAT, picture.parent / name)
    record = record_of(picture, picture.parent / name, "--method", "occlusion", *WINDOW)
    assert probabilities(record) == probabilities(record_of(picture, FLOAT, "--method", "occlusion", *WINDOW))


def test_classes_behind_background_are_numbered_and_named_as_labels_are(picture: Path) -> None:
    """Five outputs, the first of which is said to be background: label 0 is the second, and so is its map."""
    plain = record_of(picture, FLOAT, "--method", "occlusion", "--target", 3, *WINDOW)
    labels = picture.parent / "names.txt"
    labels.write_text("ant\nbee\ncat\ndog\n")
    said = refusal(FLOAT, picture, "--labels", labels)
    assert said.endswith('got 4\n  try: --background-class if its class 0 is "background"')
    asked = ("--method", "occlusion", "--background-class", "--labels", labels, "--target", "cat", *WINDOW)
    behind = record_of(picture, FLOAT, *asked)
    assert behind["target"] == {"class": 2, "name": "cat"}
    assert behind["maps"][0]["deletion_auc"] == plain["maps"][0]["deletion_auc"]
    shifted = {index - 1: p for index, p in probabilities(plain).items() if index > 0}
    shared = shifted.keys() & probabilities(behind).keys()
    assert shared
    assert all(probabilities(behind)[index] == shifted[index] for index in shared)


# ------------------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("method", ["gradient", "gradcam", "fullgrad", "integrated_gradients"])
def test_a_method_of_gradients_asks_for_a_keras_file_in_one_sentence(method: str, picture: Path) -> None:
    assert refusal(FLOAT, picture, "--method", "rise", "--method", method) == (
        f'--method: "{method}" takes gradients, and "{FLOAT}" is a flatbuffer, which has none\n'
        "  try: --keras FILE, a Keras file of the same model; or one of scorecam, occlusion, rise, finite_differences"
    )


def test_a_device_is_for_flatbuffers_alone_and_must_be_known(picture: Path) -> None:
    assert refusal("planted-float", picture, "--device", "cortex-a72").startswith(
        '--device: "planted-float" is no flatbuffer, and devices run nothing else\n'
    )
    assert 'no device is called "cortex-a7"\n  try: "cortex-a72"' in refusal(FLOAT, picture, "--device", "cortex-a7")


def test_what_only_a_flatbuffer_has_is_refused_for_a_model_of_the_catalogue(picture: Path) -> None:
    assert refusal("planted-float", picture, "--background-class").startswith('--background-class: "planted-float"')
    assert refusal("planted-float", picture, "--keras", "x.h5").startswith('--keras: "planted-float"')


@pytest.mark.parametrize("kept", [12, 400, -200])
def test_half_a_download_is_refused(kept: int, picture: Path) -> None:
    """Refused as it is read, or where a runtime refuses it: one sentence, and no traceback."""
    (picture.parent / "half.tflite").write_bytes(FLOAT.read_bytes()[:kept])
    done = explain(picture.parent / "half.tflite", picture, "--method", "occlusion", "--out", picture.parent / "out")
    assert done.exception is not None
    assert 'model "half"' in str(done.exception)


def test_a_layer_that_the_file_does_not_have_suggests_one_that_it_has(picture: Path) -> None:
    said = refusal(FLOAT, picture, "--method", "scorecam", "--parameter", "layer=conv2d")
    assert said.startswith('layer: model "float" has no layer "conv2d" with a spatial map larger than 1x1\n  try: ')
    assert "sequential/conv2d/Relu" in said
