"""A stranger's architecture, and the layer that its class activation map is taken from when nobody names one.

The default is the last map that all paths pass, after norm and activation; `last_convolution` is the convolution.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.saliency import GradientEngine, compute, list_layers
from harness.saliency.methods.method_table import parameters_of

KERAS = pytest.mark.parametrize("package", ["tf_keras", "keras"])
SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)


def model_of(package: str, body: Callable[[Any, Any], Any]) -> Any:
    keras = importlib.import_module(package)
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = body(keras, image)
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(4, activation="softmax")(x))


def chosen(model: Any) -> tuple[str | None, str | None]:
    """The names of the last activation and of the last convolution."""
    infos = list_layers(model)
    named = lambda field: next((info.name for info in infos if getattr(info, field)), None)  # noqa: E731
    return named("default"), named("last_convolution")


def mobilenet(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(x))
    return layers.Dropout(0.5, name="drop")(layers.ReLU(6.0, name="act")(x))


def vgg(keras: Any, x: Any) -> Any:
    return keras.layers.MaxPooling2D()(keras.layers.Conv2D(4, 3, activation="relu", name="conv")(x))


def resnet(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.Conv2D(4, 3, padding="same")(x)
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", name="conv")(x))
    return layers.Activation("relu", name="act")(layers.Add(name="sum")([x, y]))


def densenet(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.Concatenate(name="joined")([x, layers.Conv2D(2, 3, padding="same", name="conv")(x)])
    return layers.Activation("relu", name="act")(layers.BatchNormalization()(x))


def efficientnet(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(x))
    return layers.SpatialDropout2D(0.2)(layers.Activation("swish", name="act")(x))


def squeeze_and_excitation(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.ReLU()(layers.Conv2D(4, 3, name="conv")(x))
    weights = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    return layers.Multiply(name="act")([x, layers.Reshape((1, 1, 4))(weights)])


def hard_swish_by_operations(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(x))
    return layers.Multiply(name="act")([x, layers.ReLU(6.0)(layers.Rescaling(1 / 6, 0.5)(x))])


def norm_without_activation(keras: Any, x: Any) -> Any:
    return keras.layers.BatchNormalization(name="act")(keras.layers.Conv2D(4, 3, name="conv")(x))


def norm_after_activation(keras: Any, x: Any) -> Any:
    layers = keras.layers
    return layers.BatchNormalization()(layers.LeakyReLU(name="act")(layers.Conv2D(4, 3, name="conv")(x)))


def linear_activations_around(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.Activation("linear")(layers.Conv2D(4, 3, name="conv")(x))
    return layers.Activation("linear")(layers.PReLU(name="act")(layers.BatchNormalization()(x)))


def activation_after_the_pool(keras: Any, x: Any) -> Any:
    layers = keras.layers
    return layers.ReLU(name="act")(layers.MaxPooling2D()(layers.Conv2D(4, 3, name="conv")(x)))


def pool_before_a_flat_head(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.ELU(name="act")(layers.Conv2D(4, 3, name="conv")(x))
    return layers.Flatten()(layers.MaxPooling2D(3, strides=1, padding="same")(x))


def classes_as_maps(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.ReLU()(layers.Conv2D(8, 3)(x))
    return layers.Conv2D(4, 1, name="conv")(x)


def classifier_of_one_pixel(keras: Any, x: Any) -> Any:
    layers = keras.layers
    x = layers.ReLU(name="act")(layers.Conv2D(8, 3, name="conv")(x))
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Flatten()(layers.ReLU()(layers.Conv2D(4, 1)(x)))


def nested(keras: Any, x: Any) -> Any:
    seen = keras.Input(SHAPE)
    return keras.Model(seen, mobilenet(keras, seen), name="base")(x, training=False)


ENDS = [
    (mobilenet, "act", "conv"),
    (vgg, "conv", "conv"),
    (resnet, "act", "sum"),
    (densenet, "act", "joined"),
    (efficientnet, "act", "conv"),
    (squeeze_and_excitation, "act", "conv"),
    (hard_swish_by_operations, "act", "conv"),
    (norm_without_activation, "act", "conv"),
    (norm_after_activation, "act", "conv"),
    (linear_activations_around, "act", "conv"),
    (activation_after_the_pool, "act", "conv"),
    (pool_before_a_flat_head, "act", "conv"),
    (classes_as_maps, "conv", "conv"),
    (classifier_of_one_pixel, "act", "conv"),
    (nested, "base/act", "base/conv"),
]


@KERAS
@pytest.mark.parametrize(("body", "activation", "convolution"), ENDS, ids=[body.__name__ for body, *_ in ENDS])
def test_the_map_is_of_the_last_activation_and_the_convolution_has_a_name(
    package: str, body: Callable[[Any, Any], Any], activation: str, convolution: str
) -> None:
    model = model_of(package, body)
    assert chosen(model) == (activation, convolution)


def test_activations_that_are_plain_functions_of_tensorflow_or_keras_are_found() -> None:
    def of_keras_2(keras: Any, x: Any) -> Any:
        import tensorflow as tf

        return tf.identity(tf.nn.relu(keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(x))))

    def of_keras_3(keras: Any, x: Any) -> Any:
        return keras.layers.Identity()(keras.ops.relu(keras.layers.Conv2D(4, 3)(x)))

    assert str(chosen(model_of("tf_keras", of_keras_2))[0]).startswith("tf.nn.relu")
    assert str(chosen(model_of("keras", of_keras_3))[0]).startswith("relu")


def test_a_binarized_model_is_explained_before_the_next_signs() -> None:
    larq = pytest.importorskip("larq")

    def body(keras: Any, x: Any) -> Any:
        x = larq.layers.QuantConv2D(8, 3, kernel_quantizer="ste_sign", use_bias=False, name="conv")(x)
        x = keras.layers.BatchNormalization(name="norm")(x)
        return larq.layers.QuantDense(8, input_quantizer="ste_sign")(keras.layers.Flatten()(x))

    def sum_of_branches(keras: Any, x: Any) -> Any:
        x = keras.layers.Conv2D(4, 3, padding="same")(x)
        y = larq.layers.QuantConv2D(4, 3, padding="same", input_quantizer="ste_sign", kernel_quantizer="ste_sign")(x)
        return keras.layers.Add(name="sum")([keras.layers.BatchNormalization()(y), x])

    assert chosen(model_of("tf_keras", body)) == ("norm", "conv")
    assert chosen(model_of("tf_keras", sum_of_branches)) == ("sum", "sum")


def test_both_readings_can_be_asked_for_and_the_default_is_stored_by_its_name() -> None:
    engine = GradientEngine(model_of("tf_keras", mobilenet))
    asked = ("default", "activation", "last_activation", "convolution", "last_convolution", "0%", "100%")
    assert [engine.layer(name) for name in asked] == ["act"] * 3 + ["conv"] * 2 + ["conv", "drop"]
    assert parameters_of("gradcam", {})["layer"] == parameters_of("gradcam", {"layer": "default"})["layer"]
    assert parameters_of("gradcam", {})["layer"] == "last_activation", (
        'maps stored as "default" were of the convolution'
    )
    notes = compute(engine, "gradcam", IMAGES, [0, 1]).notes
    assert 'map of layer "act"; the last convolution: "conv"' in notes[0]
    notes = compute(engine, "gradcam", IMAGES, [0, 1], parameters={"layer": "convolution"}).notes
    assert 'map of layer "conv"; the last activation: "act"' in notes[0]


def test_a_layer_of_the_name_of_a_reading_is_that_layer_and_never_the_default() -> None:
    def body(keras: Any, x: Any) -> Any:
        layers = keras.layers
        x = layers.Activation("relu", name="activation")(layers.Conv2D(4, 3, name="convolution")(x))
        return layers.ReLU(name="act")(layers.Conv2D(4, 3, name="conv")(x))

    engine = GradientEngine(model_of("tf_keras", body))
    asked = ("default", "activation", "convolution", "last_convolution")
    assert [engine.layer(name) for name in asked] == ["act", "activation", "convolution", "conv"]


def test_a_model_without_a_convolution_says_so_only_where_one_is_asked_for() -> None:
    def body(keras: Any, x: Any) -> Any:
        return keras.layers.ReLU(name="act")(keras.layers.Dense(4)(x))

    engine = GradientEngine(model_of("tf_keras", body))
    assert engine.layer("default") == "act"
    with pytest.raises(ConfigError, match="has no convolution with a map larger than 1x1"):
        engine.layer("convolution")
