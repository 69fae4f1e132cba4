"""A user's model becomes a classifier of single images, or one sentence says why not."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import BitlensError, ConfigError
from harness.models.catalogue import CATALOGUE, Model, catalogue_model, minus_one_to_one
from harness.models.loading import load_model

GREY = {**minus_one_to_one(12), "mean": [127.5], "scale": [1 / 127.5]}


def mine(path: Path, *, classes: int = 3, trusted: bool = False, preprocessing: dict[str, Any] | None = None) -> Model:
    return Model(
        name="mine",
        family="full-precision",
        preprocessing=preprocessing or minus_one_to_one(12),
        classes=classes,
        weights=str(path),
        trusted=trusted,
    )


def head(x: Any, *, classes: int = 3) -> Any:
    from tensorflow.keras import layers

    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
    return layers.Dense(classes, activation="softmax")(pooled)


def functional(*, shape: tuple[int | None, ...] = (12, 12, 3), **input_arguments: Any) -> Any:
    import tensorflow as tf

    image = tf.keras.Input(shape, **input_arguments)
    return tf.keras.Model(image, head(image))


def subclassed() -> Any:
    import tensorflow as tf

    class Subclassed(tf.keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.features = tf.keras.layers.Conv2D(4, 3)
            self.classify = tf.keras.layers.Dense(3, activation="softmax")

        def call(self, images: Any) -> Any:
            return self.classify(tf.reduce_mean(tf.nn.relu(self.features(images)), axis=(1, 2)))

    model = Subclassed()
    model(tf.zeros((1, 12, 12, 3)))
    return model


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def refusal(model: Model, error: type[BitlensError] = ConfigError) -> str:
    """The one sentence, with its hint."""
    with pytest.raises(error) as caught:
        load_model(model)
    sentence, *hints = str(caught.value).split("\n  try: ")
    assert len(sentence.splitlines()) == 1
    assert len(hints) <= 1
    return str(caught.value)


# ------------------------------------------------------------------------------------------------ what is accepted
@pytest.mark.parametrize("name", ["model.h5", "model.keras", "folder"])
def test_functional_model_comes_back_from_every_kind_of_file(name: str, tmp_path: Path) -> None:
    original = functional()
    images = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)
    loaded = load_model(mine(saved(original, tmp_path / name)))
    np.testing.assert_allclose(loaded(images), original(images), atol=1e-6)


def test_subclassed_savedmodel_becomes_a_model_with_one_input(tmp_path: Path) -> None:
    original = subclassed()
    images = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)
    loaded = load_model(mine(saved(original, tmp_path / "folder")))
    assert loaded.input_shape == (None, 12, 12, 3)
    np.testing.assert_allclose(loaded(images), original(images), atol=1e-6)


def test_open_image_size_and_fixed_batch_are_filled_in_from_the_preprocessing(tmp_path: Path) -> None:
    for number, original in enumerate((functional(shape=(None, None, 3)), functional(batch_size=1))):
        loaded = load_model(mine(saved(original, tmp_path / f"{number}.keras")))
        images = np.random.default_rng(0).random((1, 12, 12, 3), np.float32)
        assert loaded.input_shape == (None, 12, 12, 3)
        np.testing.assert_allclose(loaded(images), original(images), atol=1e-6)


def test_grey_and_oblong_images_are_as_welcome_as_others(tmp_path: Path) -> None:
    path = saved(functional(shape=(10, 16, 1)), tmp_path / "model.keras")
    assert load_model(mine(path, preprocessing={**GREY, "height": 10, "width": 16})).output_shape == (None, 3)


# ----------------------------------------------------------------------------------------------- files that are not
def test_missing_file_is_named(tmp_path: Path) -> None:
    assert 'found no file "' in refusal(mine(tmp_path / "none.h5"))


@pytest.mark.parametrize(
    ("name", "advice"), [("m.onnx", "onnx2tf"), ("m.tflite", "is the download complete?"), ("m.txt", "model.save")]
)
def test_wrong_suffix_says_which_are_right(name: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"?")
    sentence = refusal(mine(tmp_path / name))
    assert "expected an .h5, .keras or .tflite file or a SavedModel folder" in sentence
    assert advice in sentence


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_truncated_file_is_not_a_model(name: str, tmp_path: Path) -> None:
    path = saved(functional(), tmp_path / name)
    path.write_bytes(path.read_bytes()[:2000])
    assert "could not be read as a Keras model" in refusal(mine(path))


def test_weights_without_architecture_are_told_apart(tmp_path: Path) -> None:
    functional().save_weights(tmp_path / "weights.h5")
    assert "weights alone need the architecture" in refusal(mine(tmp_path / "weights.h5"))


def test_savedmodel_without_a_function_in_it_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "folder"))
    assert 'expected a signature "serving_default"' in refusal(mine(tmp_path / "folder"))


def test_weights_of_another_architecture_do_not_fit(tmp_path: Path) -> None:
    functional().save_weights(tmp_path / "other.h5")
    twin = catalogue_model("planted-float", CATALOGUE["planted-float"], weights=str(tmp_path / "other.h5"))
    assert "do not fit this architecture" in refusal(twin)


def test_unreachable_hub_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    model = catalogue_model("mobilenet", CATALOGUE["mobilenet"], weights="imagenet")
    model = dataclasses.replace(model, build=f"{__name__}:cut_off_builder")
    sentence = refusal(model, BitlensError)
    assert "could not be fetched (URLError" in sentence
    assert 'weights = "random"' in sentence


def cut_off_builder(*, weights: str) -> None:
    from urllib.error import URLError

    raise URLError("no route to host")


# ------------------------------------------------------------------------------------------ models of another shape
def several_inputs() -> Any:
    import tensorflow as tf

    images = [tf.keras.Input((12, 12, 3)) for _ in range(2)]
    return tf.keras.Model(images, head(tf.keras.layers.Add()(images)))


def channels_first() -> Any:
    import tensorflow as tf

    image = tf.keras.Input((3, 12, 12))
    x = tf.keras.layers.Conv2D(4, 3, data_format="channels_first", name="first")(image)
    return tf.keras.Model(image, tf.keras.layers.Dense(3)(tf.keras.layers.Flatten()(x)))


def half_precision() -> Any:
    import tensorflow as tf

    image = tf.keras.Input((12, 12, 3))
    x = tf.keras.layers.Conv2D(4, 3, dtype="float16", name="half")(image)
    return tf.keras.Model(image, tf.keras.layers.Dense(3, dtype="float32")(tf.keras.layers.Flatten()(x)))


def bytes_in() -> Any:
    import tensorflow as tf

    image = tf.keras.Input((12, 12, 3), dtype="uint8")
    return tf.keras.Model(image, head(tf.keras.layers.Rescaling(1 / 255)(image)))


def headless() -> Any:
    import tensorflow as tf

    image = tf.keras.Input((12, 12, 3))
    return tf.keras.Model(image, tf.keras.layers.Conv2D(4, 3)(image))


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (several_inputs, "expected one input and one output, got 2 and 1"),
    (channels_first, 'layer "first" is channels-first (NCHW)'),
    (lambda: functional(shape=(3, 12, 12), name="image"), "its input (3, 12, 12) is channels-first (NCHW)"),
    (half_precision, 'layer "half" computes in float16, expected float32'),
    (bytes_in, "expected an input of float32, got uint8"),
    (headless, "no classifier head: expected scores (N, 3), its output is (None, 10, 10, 4)"),
    (lambda: functional(shape=(16, 16, 3)), "its preprocessing makes images (12, 12, 3), its input is (16, 16, 3)"),
    (lambda: functional(shape=(12, 12, 1)), "its input is (12, 12, 1)"),
]


@pytest.mark.parametrize(("build", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_model_of_another_shape_is_refused(build: Callable[[], Any], sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(mine(saved(build(), tmp_path / "model.keras")))


def test_wrong_number_of_classes_names_the_right_one(tmp_path: Path) -> None:
    sentence = refusal(mine(saved(functional(), tmp_path / "model.keras"), classes=4))
    assert "expected class scores (N, 4), its output is (None, 3)" in sentence
    assert "classes = 3" in sentence


# ------------------------------------------------------------------------------------------------------ code inside
def with_lambda() -> Any:
    import tensorflow as tf

    image = tf.keras.Input((12, 12, 3))
    return tf.keras.Model(image, head(tf.keras.layers.Lambda(lambda x: 2 * x)(image)))


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "folder"])
def test_lambda_layer_is_refused_unless_the_file_is_trusted(name: str, tmp_path: Path) -> None:
    path = saved(with_lambda(), tmp_path / name)
    assert "holds a Lambda layer in layer" in refusal(mine(path))
    assert load_model(mine(path, trusted=True)).output_shape == (None, 3)


def altered(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A .keras file whose description was changed by hand."""
    with zipfile.ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    config = json.loads(contents["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {**contents, "config.json": json.dumps(config).encode()}.items():
            file.writestr(name, content)
    return path


def test_python_object_of_another_module_is_refused_before_it_is_imported(tmp_path: Path) -> None:
    def call_the_system(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"]["activation"] = {
            "module": "os", "class_name": "function", "config": "system", "registered_name": "function",
        }  # fmt: skip

    path = altered(saved(functional(), tmp_path / "model.keras"), call_the_system)
    assert "holds the function os.system" in refusal(mine(path))


def test_operation_that_writes_files_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    image = tf.keras.Input((12, 12, 3))
    path = saved(tf.keras.Model(image, head(tf.nn.relu(image))), tmp_path / "model.keras")

    def write_a_file(config: dict[str, Any]) -> None:
        operation = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "TFOpLambda")
        operation["config"]["function"] = "io.write_file"

    assert "the operation tf.io.write_file" in refusal(mine(altered(path, write_a_file)))


def test_savedmodel_that_writes_files_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    class Leak(tf.keras.layers.Layer):
        def call(self, images: Any) -> Any:
            with tf.control_dependencies([tf.io.write_file(str(tmp_path / "leak"), "seen")]):
                return tf.identity(images)

    image = tf.keras.Input((12, 12, 3))
    path = saved(tf.keras.Model(image, head(Leak()(image))), tmp_path / "folder")
    assert "the operation WriteFile" in refusal(mine(path))
