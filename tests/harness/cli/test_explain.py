"""`bitlens explain`: what the model says, maps scored as in a run, files that exist, mistakes in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from device.preprocessing import preprocess
from harness.cli.app import app
from harness.cli.explain_options import known_class_names
from harness.datasets.planted import CLASS_NAMES, draw
from harness.errors import ConfigError
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.saliency import precision

MODEL = "planted-float"
RECORD = CATALOGUE[MODEL].preprocessing


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A planted image that the model knows: a crescent."""
    image, _, label = draw(0, "test", 2)
    assert CLASS_NAMES[label] == "crescent"
    Image.fromarray(image).save(tmp_path / "moon.png")
    return tmp_path / "moon.png"


@pytest.fixture(scope="module")
def keras_model() -> Any:
    return load_model(catalogue_model(MODEL, CATALOGUE[MODEL]))


def bitlens(*arguments: object, expected: type[Exception] | None = None) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)
    if expected is None and result.exception is not None:
        raise result.exception
    return result


def refusal(*arguments: object) -> str:
    error = bitlens(*arguments, expected=ConfigError).exception
    assert isinstance(error, ConfigError), error
    return str(error)


# ----------------------------------------------------------------------------------------------------------- results
def test_prediction_and_scores_are_those_of_the_library(picture: Path, keras_model: Any, tmp_path: Path) -> None:
    from harness.quality.evaluation import evaluate
    from harness.quality.inputs import MetricInputs
    from harness.quality.judges import FloatJudge
    from harness.saliency import explain

    (record,) = json.loads(bitlens("explain", MODEL, picture, "--out", tmp_path / "out", "--json").stdout)
    image = np.asarray(Image.open(picture))[None]
    probabilities = keras_model.predict(preprocess(image, RECORD), verbose=0)
    target = int(probabilities[0].argmax())
    assert record["predicted"][0]["name"] == CLASS_NAMES[target] == "crescent"
    assert record["predicted"][0]["probability"] == pytest.approx(float(probabilities[0].max()), abs=1e-5)

    judge = FloatJudge(lambda pixels: keras_model.predict(preprocess(pixels, RECORD), verbose=0))
    inputs = MetricInputs(images=image, targets=np.array([target]), keys=(picture.name,), judge=judge)
    rows = {row["method"]: row for row in record["maps"]}
    for method in ("gradient", "smoothgrad", "gradcam"):
        saliency = explain(keras_model, preprocess(image, RECORD), method, image_keys=[picture.name])
        for metric in ("insertion_auc", "deletion_auc", "sparseness", "entropy", "total_variation"):
            expected = evaluate(metric, saliency, inputs).values[0]
            assert rows[method][metric] == pytest.approx(expected, rel=1e-3), (method, metric)


def test_maps_of_a_good_model_beat_the_random_control(picture: Path, tmp_path: Path) -> None:
    (record,) = json.loads(bitlens("explain", MODEL, picture, "--out", tmp_path, "--json").stdout)
    insertion = {row["method"]: row["insertion_auc"] for row in record["maps"]}
    assert min(insertion[name] for name in ("gradient", "smoothgrad", "gradcam")) > insertion["control: random"]


def test_every_picture_and_method_gives_a_file_and_none_overwrites_another(picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "moon.png"
    other.parent.mkdir()
    Image.fromarray(draw(0, "test", 7)[0]).resize((150, 90)).save(other)  # of another size
    arguments = ("--method", "gradcam", "--method", "gradient", "--metric", "sparseness", "--out", tmp_path / "out")
    result = bitlens("explain", MODEL, picture, other, *arguments)
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [
        f"moon-{number}{MODEL}-{method}.png" for number in ("2-", "") for method in ("gradcam", "gradient")
    ]
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("picture")] == [
        str(tmp_path / "out" / f"moon-{number}{MODEL}-{method}.png")
        for number in ("", "2-")
        for method in ("gradcam", "gradient")
    ]
    width, height = Image.open(tmp_path / "out" / written[0]).size
    assert width == 3 * 256 + 16
    assert height > 256  # the title stands above
    assert "crescent" in result.stdout
    assert "sparseness (higher)" in result.stdout


def test_parameters_go_to_the_methods_that_have_them(picture: Path, tmp_path: Path) -> None:
    arguments = ("--parameter", "noise_level=0.0", "--parameter", "samples=2", "--metric", "sparseness", "--json")
    (record,) = json.loads(bitlens("explain", MODEL, picture, "--out", tmp_path, *arguments).stdout)
    sparseness = {row["method"]: row["sparseness"] for row in record["maps"]}
    # SmoothGrad without noise is the gradient
    assert sparseness["smoothgrad noise_level=0.0 samples=2"] == pytest.approx(sparseness["gradient"], rel=1e-5)


def test_a_class_can_be_asked_about_by_number_or_name(picture: Path, tmp_path: Path) -> None:
    arguments = ("--method", "gradient", "--metric", "deletion_auc", "--out", tmp_path)
    by_name = bitlens("explain", MODEL, picture, "--target", "heart", *arguments).stdout
    assert "explained is heart" in by_name
    assert bitlens("explain", MODEL, picture, "--target", "9", *arguments).stdout == by_name


def test_random_weights_are_said_to_mean_nothing(picture: Path, tmp_path: Path) -> None:
    arguments = ("--weights", "random", "--method", "gradient", "--metric", "entropy", "--out", tmp_path)
    text = bitlens("explain", "planted-binary", picture, *arguments).stdout
    assert "random weights: predictions and maps mean nothing" in text
    assert "straight-through estimate" in text


# ------------------------------------------------------------------------------------------------ models of one's own
def test_own_model_file_is_explained_like_the_model_that_it_is(picture: Path, keras_model: Any, tmp_path: Path) -> None:
    keras_model.save(tmp_path / "mine.h5", include_optimizer=False)
    (tmp_path / "names.txt").write_text("\n".join(CLASS_NAMES))
    common = ("--method", "gradcam", "--metric", "sparseness", "--out", tmp_path / "out", "--json")
    (own,) = json.loads(
        bitlens("explain", tmp_path / "mine.h5", picture, "--labels", tmp_path / "names.txt", *common).stdout
    )
    (known,) = json.loads(bitlens("explain", MODEL, picture, *common).stdout)
    assert own["predicted"] == known["predicted"]
    assert own["maps"][0]["sparseness"] == known["maps"][0]["sparseness"]
    (wrong,) = json.loads(bitlens("explain", tmp_path / "mine.h5", picture, "--mean", "0", *common).stdout)
    assert wrong["predicted"][0]["probability"] != own["predicted"][0]["probability"]


@pytest.mark.parametrize("channels", [1, 3])
def test_size_of_an_open_input_is_asked_for(picture: Path, tmp_path: Path, channels: int) -> None:
    import tensorflow as tf

    image = tf.keras.Input((None, None, channels))
    x = tf.keras.layers.GlobalAveragePooling2D()(tf.keras.layers.Conv2D(4, 3, activation="relu")(image))
    tf.keras.Model(image, tf.keras.layers.Dense(5)(x)).save(tmp_path / "open.keras")
    arguments = ("--metric", "entropy", "--method", "gradient", "--out", tmp_path / "out")
    assert "--size" in refusal("explain", tmp_path / "open.keras", picture, *arguments)
    text = bitlens("explain", tmp_path / "open.keras", picture, "--size", "48", *arguments).stdout
    assert "48x48" in text
    assert "its outputs are logits" in text
    assert "of which 48x48 cannot be cut" in refusal(
        "explain", tmp_path / "open.keras", picture, "--size", "48", "--resize", "40"
    )


def test_model_of_an_experiment_file_brings_its_preprocessing(picture: Path, keras_model: Any, tmp_path: Path) -> None:
    keras_model.save(tmp_path / "mine.h5", include_optimizer=False)
    (tmp_path / "mine.toml").write_text(
        '[dataset]\nkind = "planted"\n[[model]]\nname = "mine"\npath = "mine.h5"\nclasses = 10\n'
        "[model.preprocessing]\nheight = 64\nwidth = 64\n"
    )
    arguments = ("--experiment", tmp_path / "mine.toml", "--method", "gradient", "--metric", "entropy")
    text = bitlens("explain", "mine", picture, *arguments, "--out", tmp_path).stdout
    assert "class 2 " in text  # a crescent
    assert 'expected one of mine.toml, got "other"' in refusal("explain", "other", picture, *arguments)


# ---------------------------------------------------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "gradcan"), 'expected a method, got "gradcan"\n  try: "gradcam"'),
        (("--metric", "entropi"), 'expected a metric, got "entropi"\n  try: "entropy"'),
        (("--metric", "mass_in_object"), "mass_in_object needs more than one picture or a mask"),
        (("--parameter", "noise"), 'expected NAME=VALUE, got "noise"'),
        (("--parameter", "noise_levle=1"), 'has such a parameter\n  try: "noise_level"'),
        (("--parameter", "noise_level=loud"), 'smoothgrad noise_level: expected a number from 0 to 10, got "loud"'),
        (("--target", "moon"), 'expected a class from 0 to 9 or its name, got "moon"'),
        (("--target", "10"), "expected a class from 0 to 9"),
        (("--mean", "0"), f'--mean: "{MODEL}" is not a model file; its preprocessing is known'),
        (("--weights", "imagenet"), "no ImageNet weights exist"),
    ],
)
def test_mistakes_are_one_sentence(picture: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refusal("explain", MODEL, picture, *arguments)


def test_unknown_model_suggests_one_that_exists(picture: Path) -> None:
    assert "planted-float" in refusal("explain", "planted-flot", picture)
    assert 'found no file "mine.h5"' in refusal("explain", "mine.h5", picture)


def test_labels_must_be_as_many_as_classes(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    assert "expected 10 names" in refusal("explain", MODEL, picture, "--labels", tmp_path / "names.txt")


def test_images_that_cannot_be_read_are_named(picture: Path, tmp_path: Path) -> None:
    text, part = tmp_path / "notes.jpg", tmp_path / "part.png"
    text.write_text("not a picture")
    part.write_bytes(picture.read_bytes()[:2000])
    assert 'notes.jpg" could not be read as an image' in refusal("explain", MODEL, picture, text)
    assert 'part.png" could not be read as an image' in refusal("explain", MODEL, part)
    assert 'image: found no file "missing.png"' in refusal("explain", MODEL, "missing.png")
    assert "expected pictures, got the folder" in refusal("explain", MODEL, tmp_path)


def test_folder_that_cannot_be_written_is_named(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = ("--method", "gradient", "--metric", "entropy", "--out", tmp_path / "file")
    assert "cannot be written" in refusal("explain", MODEL, picture, *arguments)


# --------------------------------------------------------------------------------------------------------- precision
@pytest.fixture
def cpu_for_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)


@pytest.mark.usefixtures("cpu_for_bfloat16")
def test_maps_in_bfloat16_say_so_and_what_it_did_to_the_first_picture(picture: Path, tmp_path: Path) -> None:
    given = ("--precision", "bfloat16", "--method", "gradient", "--method", "occlusion", "--metric", "sparseness")
    again = tmp_path / "again.png"
    again.write_bytes(picture.read_bytes())
    records = json.loads(bitlens("explain", MODEL, picture, again, *given, "--out", tmp_path / "out", "--json").stdout)
    first, second = ({row["method"]: row["notes"] for row in record["maps"]} for record in records)
    assert first["gradient"][0] == second["gradient"][0] == "in bfloat16 where that is faster"
    assert first["gradient"][1].startswith("bfloat16 against float32, 1 image: least correlation ")
    assert len(second["gradient"]) == 1
    assert not any("bfloat16" in note for note in first["occlusion"])


@pytest.mark.usefixtures("cpu_for_bfloat16")
def test_a_precision_that_serves_nobody_is_refused(picture: Path) -> None:
    assert "float32, bfloat16, got" in refusal("explain", MODEL, picture, "--precision", "half")
    binarized = refusal("explain", "planted-binary", picture, "--precision", "bfloat16")
    assert 'is not for model "planted-binary": it is binarized' in binarized
    assert "try: --precision float32" in binarized
    assert "for methods of gradients, got rise" in refusal(
        "explain", MODEL, picture, "--precision", "bfloat16", "--method", "rise"
    )


def test_a_cpu_without_bfloat16_is_said_before_anything_is_loaded(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    assert "neither avx512_bf16 nor amx_bf16" in refusal("explain", MODEL, picture, "--precision", "bfloat16")


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.weights == "trained"])
def test_each_class_of_our_own_models_has_a_name(name: str) -> None:
    names = known_class_names(catalogue_model(name, CATALOGUE[name]))
    assert names is not None
    assert len(set(names)) == CATALOGUE[name].classes
