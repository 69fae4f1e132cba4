"""Constants of an artifact are those of a formula in float64, rounded once, and nothing else about a model changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from converters import schema
from converters.freezing import INEXACT, freeze
from converters.tflite import fp32, scores_function

EPSILON = 1e-3
CHANNELS = 24
IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
NORM = dict(
    zip(
        ("gamma", "beta", "mean", "variance"),
        np.random.default_rng(1).uniform((0.5, -1, -1, 0.1), (1.5, 1, 1, 3), size=(CHANNELS, 4)).astype(np.float32).T,
        strict=True,
    )
)


def multiplier_and_shift() -> tuple[np.ndarray, np.ndarray]:
    """The oracle: gamma / sqrt(variance + epsilon) and beta - mean * that, in float64, rounded at the end."""
    gamma, beta, mean, variance = (value.astype(np.float64) for value in NORM.values())
    multiplier = gamma / np.sqrt(variance + np.float64(np.float32(EPSILON)))
    return multiplier.astype(np.float32), (beta - mean * multiplier).astype(np.float32)


def legacy_keras() -> Any:
    import tensorflow as tf

    return tf.keras


def keras_3() -> Any:
    keras = pytest.importorskip("keras", minversion="3")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras 3 runs on another backend here")
    return keras


KERAS: list[Callable[[], Any]] = [legacy_keras, keras_3]


def with_norm_after_relu(keras: Any, *, flat: bool) -> Any:
    """A relu keeps the norm from being folded into the layer before it; `flat` makes it one of rank 2."""
    image = x = keras.Input((8, 8, 3))
    if flat:
        x = keras.layers.Dense(CHANNELS, activation="relu")(keras.layers.Flatten()(x))
    else:
        x = keras.layers.Conv2D(CHANNELS, 3, activation="relu")(x)
    norm = keras.layers.BatchNormalization(epsilon=EPSILON)
    x = norm(x) if flat else keras.layers.GlobalAveragePooling2D()(norm(x))
    model = keras.Model(image, keras.layers.Dense(4)(x))
    norm.set_weights(list(NORM.values()))
    return model


def constants(content: bytes) -> list[np.ndarray]:
    """Of the artifact's float32 tensors."""
    model = schema.read(content)
    buffers = [(tensor.type, model.buffers[tensor.buffer].data) for tensor in model.subgraphs[0].tensors]
    return [np.frombuffer(bytes(data), np.float32) for type_, data in buffers if type_ == 0 and data is not None]


def holds(content: bytes, wanted: np.ndarray) -> bool:
    return any(np.array_equal(constant, wanted.ravel()) for constant in constants(content))


@pytest.mark.parametrize("flat", [False, True], ids=["images", "vectors"])
@pytest.mark.parametrize("keras", KERAS)
def test_batch_norm_has_the_constants_of_its_formula_rounded_once(keras: Callable[[], Any], flat: bool) -> None:
    content = fp32(with_norm_after_relu(keras(), flat=flat))
    multiplier, shift = multiplier_and_shift()
    assert holds(content, multiplier)
    assert holds(content, shift)


@pytest.mark.parametrize("keras", KERAS)
def test_batch_norm_after_a_convolution_is_folded_into_its_kernel(keras: Callable[[], Any]) -> None:
    layers = keras().layers
    convolution, norm = layers.Conv2D(CHANNELS, 3, use_bias=False), layers.BatchNormalization(epsilon=EPSILON)
    image = keras().Input((8, 8, 3))
    model = keras().Model(image, layers.GlobalAveragePooling2D()(norm(convolution(image))))
    norm.set_weights(list(NORM.values()))
    multiplier, shift = multiplier_and_shift()
    content = fp32(model)
    assert holds(content, (convolution.get_weights()[0] * multiplier).transpose(3, 0, 1, 2))
    assert holds(content, shift)


def magnitude_aware() -> Any:
    import larq as lq
    import tensorflow as tf

    image = tf.keras.Input((8, 8, 3))
    layer = lq.layers.QuantConv2D(CHANNELS, 3, kernel_quantizer="magnitude_aware_sign", use_bias=False)
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(layer(image)))


def test_magnitude_of_a_kernel_is_the_mean_in_float64_rounded_once() -> None:
    model = magnitude_aware()
    kernel = model.layers[1].kernel.numpy().astype(np.float64)
    wanted = (np.sign(kernel) * np.abs(kernel).mean((0, 1, 2))).astype(np.float32)
    assert holds(fp32(model), wanted.transpose(3, 0, 1, 2))


def test_constant_behind_a_gradient_of_its_own_is_exact_too() -> None:
    model = with_a_gradient_of_its_own()
    assert holds(fp32(model), np.exp(model.layers[2].rate.numpy().astype(np.float64)).astype(np.float32))


def deep() -> Any:
    import tensorflow as tf

    layers = tf.keras.layers
    image = x = tf.keras.Input((8, 8, 3))
    for _ in range(2):
        x = layers.BatchNormalization()(layers.Conv2D(CHANNELS, 3, padding="same")(x))
        x = layers.PReLU()(layers.Concatenate()([x, layers.LayerNormalization()(x)]))
    x = layers.BatchNormalization()(layers.Dense(16, activation="tanh")(layers.Flatten()(x)))
    return tf.keras.Model(image, layers.Softmax()(layers.Dense(4)(x)))


def with_a_function_inside() -> Any:
    import tensorflow as tf

    norm = tf.keras.layers.BatchNormalization()

    class Inside(tf.keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.norm = norm

        @tf.function
        def call(self, x: Any) -> Any:
            return self.norm(x, training=False)

    image = tf.keras.Input((8, 8, 3))
    x = Inside()(tf.keras.layers.Conv2D(CHANNELS, 3, activation="relu")(image))
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(x))


def with_a_loop() -> Any:
    import tensorflow as tf

    class Loop(tf.keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.rate = self.add_weight(name="rate", shape=(3,), initializer="ones")

        def call(self, x: Any) -> Any:
            return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * tf.exp(-self.rate)), (0, x))[1]

    image = tf.keras.Input((8, 8, 3))
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(Loop()(image)))


def with_an_eager_constant() -> Any:
    import tensorflow as tf

    scale = tf.exp(tf.constant([0.5, 1.0, 1.5]))

    class Scale(tf.keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * scale

    image = tf.keras.Input((8, 8, 3))
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(Scale()(image)))


def with_a_function_without_variables() -> Any:
    import tensorflow as tf

    class Halves(tf.keras.layers.Layer):
        @tf.function
        def call(self, x: Any) -> Any:
            return x / 2

    image = tf.keras.Input((8, 8, 3))
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(Halves()(image)))


def with_a_gradient_of_its_own() -> Any:
    """Channels multiplied by exp(rate), in a function with a gradient as Larq's quantizers have it."""
    import tensorflow as tf

    @tf.custom_gradient
    def exponential(x: Any) -> Any:
        return tf.exp(x), lambda upstream: upstream

    class Scale(tf.keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.rate = self.add_weight(name="rate", shape=shape[-1:], initializer="random_normal")

        def call(self, x: Any) -> Any:
            return x * exponential(self.rate)

    image = tf.keras.Input((8, 8, 3))
    x = Scale()(tf.keras.layers.Conv2D(CHANNELS, 3, activation="relu")(image))
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(x))


MODELS = [
    deep,
    magnitude_aware,
    with_a_function_inside,
    with_a_function_without_variables,
    with_a_gradient_of_its_own,
    with_a_loop,
    with_an_eager_constant,
]


@pytest.mark.parametrize("make", MODELS)
def test_frozen_graph_predicts_what_the_model_predicts_but_for_rounding(make: Callable[[], Any]) -> None:
    model = make()
    frozen = freeze(scores_function(model).get_concrete_function()).function()
    scores = np.concatenate([frozen(image[None])["scores"] for image in IMAGES])
    expected = model(IMAGES).numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_functions_that_a_model_calls_are_part_of_its_graph() -> None:
    frozen = freeze(scores_function(with_a_function_without_variables()).get_concrete_function())
    assert "RealDiv" in {node.op for node in frozen.definition.node}
    assert not frozen.definition.library.function


def test_norm_in_a_function_of_its_own_has_exact_constants_too() -> None:
    model = with_a_function_inside()
    model.layers[2].norm.set_weights(list(NORM.values()))
    assert holds(fp32(model), multiplier_and_shift()[0])


@pytest.mark.parametrize("make", [deep, magnitude_aware])
def test_nothing_that_is_read_is_left_to_inexact_folding(make: Callable[[], Any]) -> None:
    import tensorflow as tf

    frozen = freeze(scores_function(make()).get_concrete_function())
    needed = tf.compat.v1.graph_util.extract_sub_graph(frozen.definition, [frozen.scores.op.name])
    constant: set[str] = set()
    for node in needed.node:
        sources = {name.split(":")[0] for name in node.input}
        if node.op == "Const" or (sources and sources <= constant):
            assert node.op not in INEXACT
            constant.add(node.name)
    assert constant


def test_mixed_precision_norm_is_left_as_it_is() -> None:
    import tensorflow as tf

    image = tf.keras.Input((8, 8, 3))
    x = tf.keras.layers.BatchNormalization(dtype="mixed_float16")(image)
    model = tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D(dtype="float32")(x))
    frozen = freeze(scores_function(model).get_concrete_function())
    assert "FusedBatchNormV3" in {node.op for node in frozen.definition.node}
