"""Folders of `model.export` and `tf.saved_model.save`: functions from images to scores, and what they do not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.completion import complete
from harness.models.declared import Declared
from harness.models.loading import load_model
from harness.outputs import PROBABILITIES
from harness.saliency import GradientEngine, compute, compute_many, list_layers

SHAPE = (12, 12, 3)
IMAGES = np.random.default_rng(0).random((3, *SHAPE), np.float32)


def mine(path: Path, *, classes: int = 3) -> Model:
    return Model(
        name="mine", family="full-precision", preprocessing=minus_one_to_one(12), classes=classes, weights=str(path)
    )


def keras_3(shape: tuple[int | None, ...] = SHAPE, **input_arguments: Any) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(shape, **input_arguments)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu")(image))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(pooled))


def exported(model: Any, path: Path) -> Path:
    model.export(str(path))
    return path


def saved_function(path: Path, shape: tuple[int | None, ...], *, dtype: str = "float32", **names: str) -> Path:
    """A plain TensorFlow module with the mean colour of an image as its scores, under signatures of these names."""
    import tensorflow as tf

    module = tf.Module()
    function = tf.function(
        lambda image: {"scores": tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2))},
        input_signature=[tf.TensorSpec(shape, dtype)],
    )
    module.function = function
    tf.saved_model.save(module, str(path), signatures=dict.fromkeys(names.values(), function))
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_model(mine(path, **options))
    assert len(str(caught.value).split("\n  try: ")[0].splitlines()) == 1
    return str(caught.value)


# ------------------------------------------------------------------------------------------------ what is accepted
def tf_keras_model() -> Any:
    import tf_keras

    image = tf_keras.Input(SHAPE)
    pooled = tf_keras.layers.GlobalAveragePooling2D()(tf_keras.layers.Conv2D(4, 3)(image))
    return tf_keras.Model(image, tf_keras.layers.Dense(3, activation="softmax")(pooled))


@pytest.mark.parametrize("build", [keras_3, tf_keras_model])
def test_exported_folder_of_either_keras_gives_the_same_scores(build: Callable[[], Any], tmp_path: Path) -> None:
    model = build()
    loaded = load_model(mine(exported(model, tmp_path / "folder")))
    assert (loaded.input_shape, loaded.output_shape) == ((None, *SHAPE), (None, 3))
    np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), atol=1e-6)


def test_folder_that_takes_one_image_at_a_time_takes_several_one_by_one(tmp_path: Path) -> None:
    loaded = load_model(mine(saved_function(tmp_path / "folder", (1, *SHAPE), one="serve")))
    np.testing.assert_allclose(loaded(IMAGES), IMAGES.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(loaded(IMAGES[:1]), IMAGES[:1].mean((1, 2)), atol=1e-6)


def test_open_image_size_is_filled_in_from_the_preprocessing_or_by_size(tmp_path: Path) -> None:
    model = keras_3((None, None, 3))
    path = exported(model, tmp_path / "folder")
    assert load_model(mine(path)).input_shape == (None, *SHAPE)
    unread = Model(name="mine", family="", preprocessing={}, classes=0, weights=str(path), output="")
    done = complete(replace(unread, declared=Declared(height=12, width=12)), [])
    assert (done.model.classes, done.model.family) == (3, "full-precision")
    np.testing.assert_allclose(done.keras_model(IMAGES), model(IMAGES), atol=1e-6)


def test_only_signature_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = saved_function(tmp_path / "folder", (None, *SHAPE), one="colour")
    np.testing.assert_allclose(load_model(mine(path))(IMAGES), IMAGES.mean((1, 2)), atol=1e-6)


# ------------------------------------------------------------------------------------------------- what is refused
def test_several_signatures_without_a_known_name_are_listed(tmp_path: Path) -> None:
    path = saved_function(tmp_path / "folder", (None, *SHAPE), one="colour", other="shade")
    assert 'expected a signature "serving_default"' in refusal(path)
    assert "got colour, shade" in refusal(path)


def test_folder_of_a_fixed_batch_says_how_to_open_it(tmp_path: Path) -> None:
    assert "takes 4 images at a time" in refusal(saved_function(tmp_path / "folder", (4, *SHAPE), one="serve"))


def test_several_inputs_are_counted(tmp_path: Path) -> None:
    import keras

    images = [keras.Input(SHAPE) for _ in range(2)]
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.Add()(images)))
    assert "expected one input and one output, got 2 and 1" in refusal(exported(model, tmp_path / "folder"))


def test_bytes_and_unknown_dimensions_are_refused(tmp_path: Path) -> None:
    bytes_in = saved_function(tmp_path / "bytes", (None, *SHAPE), dtype="uint8", one="serve")
    assert "expected an input of float32, got uint8" in refusal(bytes_in)
    assert "its preprocessing makes images (12, 12, 3), its input is (8, 8, 3)" in refusal(
        saved_function(tmp_path / "size", (None, 8, 8, 3), one="serve")
    )
    open_rank = saved_function(tmp_path / "rank", None, one="serve")  # type: ignore[arg-type]
    assert "leaves the dimensions of its tensors open" in refusal(open_rank)


def test_graph_that_flips_images_at_random_is_refused_and_the_saved_model_is_not(tmp_path: Path) -> None:
    """`model.export` of Keras 3 traces RandomFlip as in training: a fact of Keras that this test would see change."""
    import keras

    model = keras.Sequential([keras.Input(SHAPE), keras.layers.RandomFlip(), *keras_3().layers[1:]])
    sentence = refusal(exported(model, tmp_path / "folder"))
    assert "draws random numbers (StatelessRandom" in sentence
    assert 'try: `model.save("model.keras")`' in sentence
    model.save(tmp_path / "model.keras")
    loaded = load_model(mine(tmp_path / "model.keras"))
    np.testing.assert_allclose(loaded(IMAGES, training=False), model(IMAGES, training=False), atol=1e-6)


def test_damaged_folder_is_not_a_savedmodel(tmp_path: Path) -> None:
    path = exported(keras_3(), tmp_path / "folder")
    content = (path / "saved_model.pb").read_bytes()
    (path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    assert "could not be read as a SavedModel" in refusal(path)


def test_graph_that_reads_files_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.function = tf.function(
        lambda image: {
            "scores": tf.reduce_mean(image, (1, 2)) + tf.cast(tf.strings.length(tf.io.read_file("x")), "float32")
        },
        input_signature=[tf.TensorSpec((None, *SHAPE))],
    )
    tf.saved_model.save(module, str(tmp_path / "folder"), signatures={"serve": module.function})
    assert "the operation ReadFile" in refusal(tmp_path / "folder")


# --------------------------------------------------------------------------------------------------- explanations
def test_methods_of_scores_alone_give_the_maps_of_the_keras_model(tmp_path: Path) -> None:
    model = keras_3()
    loaded = load_model(mine(exported(model, tmp_path / "folder")))
    jobs: list[tuple[str, dict[str, Any]]] = [("occlusion", {}), ("rise", {"masks": 20})]
    for ours, whole in zip(
        compute_many(loaded.scorer(PROBABILITIES), jobs, IMAGES),
        compute_many(GradientEngine(model), jobs, IMAGES),
        strict=True,
    ):
        np.testing.assert_allclose(ours.values, whole.values, atol=1e-5)
        np.testing.assert_array_equal(ours.predicted, whole.predicted)


def test_whoever_asks_for_layers_is_told_why_there_are_none(tmp_path: Path) -> None:
    loaded = load_model(mine(exported(keras_3(), tmp_path / "folder")))
    why = 'the folder of model "mine" holds a graph, and no Keras layers'
    with pytest.raises(ConfigError, match=why):
        GradientEngine(loaded)
    with pytest.raises(ConfigError, match=why):
        list_layers(loaded)
    with pytest.raises(ConfigError, match=f'"gradcam" needs more of a model than its scores: {why}') as caught:
        compute(loaded.scorer(PROBABILITIES), "gradcam", IMAGES)
    assert "occlusion, rise" in str(caught.value)
