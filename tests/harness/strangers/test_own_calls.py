"""A stranger's model that is not what its layers are at inference: modes that a graph fixes, chance, batches.

Whatever Keras it is of, what is shown and deployed is the model's own call for one image, or one sentence says why not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import ConversionError
from converters.tflite import fp32
from harness.errors import ConfigError, MeasurementError
from harness.models.completion import complete
from harness.models.declared import Declared
from harness.models.lookup import own_file
from harness.saliency import GradientEngine, compute, explain
from harness.stages.context import _LoadedModel

KERAS = pytest.mark.parametrize("package", ["tf_keras", "keras"])
SHAPE, CLASSES = (6, 6, 2), 3
IMAGES = np.random.default_rng(0).normal(1, 2, (3, *SHAPE)).astype(np.float32)
READOUT = np.array([[2.0, -1.0, 0.5], [-1.5, 1.0, 0.25]])


def model_of(package: str, body: Callable[[Any, Any], Any], *, activation: str | None = "softmax") -> Any:
    """The body, with two channels, between an image and the softmax of READOUT's product with its mean."""
    keras = importlib.import_module(package)
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    pooled = keras.layers.GlobalAveragePooling2D()(body(keras, image))
    dense = keras.layers.Dense(CLASSES, activation=activation, use_bias=False, name="classes")
    model = keras.Model(image, dense(pooled))
    dense.set_weights([READOUT])
    return model


def normalised_by_itself(keras: Any, image: Any) -> Any:
    return keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(image, training=True))


def by_hand(image: np.ndarray) -> np.ndarray:
    """What `normalised_by_itself` returns for one image: 1e-3 is the epsilon of either Keras."""
    norm = (image - image.mean((0, 1))) / np.sqrt(image.var((0, 1)) + 1e-3)
    logits = np.maximum(norm, 0).mean((0, 1)) @ READOUT
    return np.exp(logits) / np.exp(logits).sum()


def saved(model: Any, folder: Path) -> Path:
    model.save(folder / "stranger.keras")
    return folder / "stranger.keras"


def opened(path: Path) -> Any:
    """The Keras model in a file or folder, as a command line or an experiment opens it."""
    return complete(own_file(path, Declared(), output="", trusted=True, module=None), []).keras_model


@KERAS
def test_batch_norm_in_training_mode_gives_each_image_the_scores_it_has_alone(package: str) -> None:
    model = model_of(package, normalised_by_itself)
    before = model.get_weights()
    for fast in (True, False):
        scores = GradientEngine(model, fast=fast).scores(IMAGES)
        np.testing.assert_allclose(scores, [by_hand(image) for image in IMAGES], atol=1e-6)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new, "the moving statistics stay what they were")


@KERAS
def test_its_gradient_is_that_of_the_model_called_with_this_image_alone(package: str) -> None:
    import tensorflow as tf

    model = model_of(package, normalised_by_itself, activation=None)
    maps = compute(GradientEngine(model), "gradient", IMAGES, [0, 1, 2]).values
    for image, target, actual in zip(IMAGES, range(3), maps, strict=True):
        with tf.GradientTape() as tape:
            alone = tf.constant(image[None])
            tape.watch(alone)
            logit = model(alone)[0, target]
        np.testing.assert_allclose(actual, tape.gradient(logit, alone).numpy()[0], atol=1e-6)


def inside_a_model(keras: Any, image: Any) -> Any:
    inner = keras.Sequential([keras.Input(SHAPE), keras.layers.BatchNormalization(), keras.layers.ReLU()])
    return inner(image, training=True)


def inside_two_models(keras: Any, image: Any) -> Any:
    seen = keras.Input(SHAPE)
    return keras.Model(seen, inside_a_model(keras, seen))(image)


def inside_a_layer_of_ones_own(keras: Any, image: Any) -> Any:
    class Own(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm = keras.layers.BatchNormalization()

        def call(self, x: Any) -> Any:
            return keras.activations.relu(self.norm(x, training=True))

    return Own()(image)


@KERAS
@pytest.mark.parametrize("body", [inside_a_model, inside_two_models, inside_a_layer_of_ones_own])
def test_the_mode_is_followed_wherever_it_was_fixed(package: str, body: Callable[[Any, Any], Any]) -> None:
    scores = GradientEngine(model_of(package, body)).scores(IMAGES)
    np.testing.assert_allclose(scores, [by_hand(image) for image in IMAGES], atol=1e-6)


def test_keras_2_takes_the_mode_by_its_position_as_well() -> None:
    model = model_of("tf_keras", lambda keras, x: keras.layers.ReLU()(keras.layers.BatchNormalization()(x, True)))
    np.testing.assert_allclose(GradientEngine(model).scores(IMAGES), [by_hand(image) for image in IMAGES], atol=1e-6)


@KERAS
@pytest.mark.parametrize("frozen", ["the layer", "the call"])
def test_a_frozen_batch_norm_keeps_its_learned_statistics(package: str, frozen: str) -> None:
    def body(keras: Any, image: Any) -> Any:
        norm = keras.layers.BatchNormalization(trainable=frozen == "the call")
        inner = keras.Sequential([keras.Input(SHAPE), norm, keras.layers.ReLU()])
        return inner(image, training=frozen == "the layer")

    model = model_of(package, body)
    logits = (np.maximum(IMAGES, 0) / np.sqrt(1 + 1e-3)).mean((1, 2)) @ READOUT
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(GradientEngine(model).scores(IMAGES), expected, atol=1e-6)


def drops(keras: Any, image: Any) -> Any:
    return keras.layers.Dropout(0.5, name="uncertain")(image, training=True)


def drops_inside(keras: Any, image: Any) -> Any:
    seldom = keras.layers.SpatialDropout2D(0.001, name="uncertain")  # two passes are most likely the same
    inner = keras.Sequential([keras.Input(SHAPE), seldom], name="inner")
    return inner(image, training=True)


def noisy(keras: Any, image: Any) -> Any:
    return keras.layers.GaussianNoise(0.1, name="uncertain")(image, training=True)


def of_tensorflow(keras: Any, image: Any) -> Any:
    import tensorflow as tf

    class Uncertain(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x + tf.random.normal(tf.shape(x))

    return Uncertain(name="uncertain")(image)


def of_a_lambda(keras: Any, image: Any) -> Any:
    import tensorflow as tf

    return keras.layers.Lambda(lambda x: x * tf.random.uniform((2,)), output_shape=SHAPE, name="uncertain")(image)


RANDOM = [drops, drops_inside, noisy, of_tensorflow, of_a_lambda]


@KERAS
@pytest.mark.parametrize("body", RANDOM)
def test_a_layer_that_draws_random_numbers_is_named(package: str, body: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(ConfigError, match=r'layer "(inner/)?uncertain" draws random numbers at inference'):
        explain(model_of(package, body), IMAGES)


@pytest.mark.parametrize(
    ("package", "body"),
    [*(("tf_keras", body) for body in RANDOM), ("keras", of_tensorflow), ("keras", of_a_lambda)],
)
def test_no_artifact_is_made_that_draws_random_numbers(package: str, body: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(ConversionError, match=r'layer "uncertain" draws random numbers \(\w+\) at inference'):
        fp32(model_of(package, body))


@KERAS
@pytest.mark.parametrize("body", [drops, noisy])
def test_a_file_with_a_random_layer_is_refused_as_soon_as_it_is_read(package: str, body: Any, tmp_path: Path) -> None:
    path = saved(model_of(package, body), tmp_path)
    with pytest.raises(ConfigError, match='model "stranger": layer "uncertain" draws random numbers at inference'):
        opened(path)


def test_the_accuracy_stage_names_the_random_layer_too() -> None:
    with pytest.raises(ConfigError, match='model "stranger": layer "uncertain" draws random numbers'):
        _LoadedModel("stranger", model_of("tf_keras", of_a_lambda)).predict(IMAGES)


@KERAS
def test_layers_that_are_at_work_in_training_alone_are_not_in_the_way(package: str) -> None:
    def body(keras: Any, image: Any) -> Any:
        x = keras.layers.GaussianNoise(1.0)(keras.layers.RandomFlip()(image))
        return keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))

    logits = IMAGES.mean((1, 2)) / np.sqrt(1 + 1e-3) @ READOUT
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(GradientEngine(model_of(package, body)).scores(IMAGES), expected, atol=1e-6)


def test_numbers_drawn_from_a_constant_seed_are_no_chance() -> None:
    import tensorflow as tf

    scaled: Any = lambda x: x * tf.random.stateless_uniform((2,), seed=(1, 2))  # noqa: E731
    model = model_of("tf_keras", lambda keras, x: keras.layers.Lambda(scaled)(x))
    np.testing.assert_allclose(GradientEngine(model).scores(IMAGES), model(IMAGES), atol=1e-6)
    with pytest.raises(ConversionError, match="which TFLite has no operator for"):
        fp32(model)


@KERAS
def test_a_batch_norm_of_vectors_in_training_mode_says_that_an_image_alone_has_no_spread(package: str) -> None:
    def body(keras: Any, image: Any) -> Any:
        x = keras.layers.BatchNormalization(name="norm")(keras.layers.GlobalAveragePooling2D()(image), training=True)
        return keras.layers.Reshape((1, 1, 2))(x)

    with pytest.raises(ConfigError, match='layer "norm" is a batch norm called with training=True, and a single image'):
        GradientEngine(model_of(package, body))


@pytest.mark.parametrize("reduced", ["max", "mean"])
def test_a_layer_that_mixes_the_images_of_a_batch_is_named(reduced: str) -> None:
    import tensorflow as tf

    def body(keras: Any, image: Any) -> Any:
        return keras.layers.Lambda(lambda x: x - getattr(tf, f"reduce_{reduced}")(x, axis=0), name="whitens")(image)

    model = model_of("tf_keras", body)
    with pytest.raises(ConfigError, match='layer "whitens" mixes the images of a batch'):
        explain(model, IMAGES)
    with pytest.raises(ConfigError, match='model "stranger": it mixes the images of a batch'):
        _LoadedModel("stranger", model).predict(IMAGES)


def test_a_model_whose_call_is_more_than_its_layers_is_an_error_with_the_difference() -> None:
    import tf_keras

    class Tempered(tf_keras.Model):  # type: ignore[misc]
        def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(x, training=training) * 0.5

    image = tf_keras.Input(SHAPE)
    model = Tempered(image, tf_keras.layers.Dense(3, activation="softmax")(tf_keras.layers.Flatten()(image)))
    engine = GradientEngine(model)
    for _ in range(2):  # asked again, it says so again
        with pytest.raises(MeasurementError, match=r"differ by up to 0\.\d+ from those of the model's own call"):
            engine.scores(IMAGES)


@KERAS
def test_a_file_keeps_its_mode_in_accuracy_and_conversion(package: str, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    model = opened(saved(model_of(package, normalised_by_itself), tmp_path))
    expected = [by_hand(image) for image in IMAGES]
    np.testing.assert_allclose(_LoadedModel("stranger", model).predict(IMAGES), expected, atol=1e-6)
    np.testing.assert_allclose(GradientEngine(model).scores(IMAGES), expected, atol=1e-6)
    interpreter = Interpreter(model_content=fp32(model))
    interpreter.allocate_tensors()
    for image, scores in zip(IMAGES, expected, strict=True):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        deployed = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
        np.testing.assert_allclose(deployed, scores, atol=1e-5)


def test_a_mode_that_keras_3_hands_on_to_other_layers_is_an_error_and_no_guess(tmp_path: Path) -> None:
    """In Keras 3, `model(x)` runs a norm after one with training=True in that mode too; `predict` runs neither."""

    def body(keras: Any, image: Any) -> Any:
        x = keras.layers.BatchNormalization()(image, training=True)
        return keras.layers.BatchNormalization()(keras.layers.ReLU()(x))

    model = model_of("keras", body)
    with pytest.raises(MeasurementError, match="from those of the model's own call"):
        explain(model, IMAGES)
    with pytest.raises(MeasurementError, match="from those of the model's own call"):
        opened(saved(model, tmp_path))


def test_an_exported_graph_that_normalises_by_its_batch_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    model = model_of("tf_keras", normalised_by_itself)
    folder = tmp_path / "exported"
    function = tf.function(model, input_signature=[tf.TensorSpec((None, *SHAPE), tf.float32)])
    module = tf.Module()
    module.model, module.call = model, function
    tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function())
    with pytest.raises(ConfigError, match="normalises by the statistics of a batch"):
        opened(folder)
