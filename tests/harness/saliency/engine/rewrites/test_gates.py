"""ReLUs whose gradient the convolution before them takes over: only where nobody else needs it, for the same map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.saliency import GradientEngine, compute
from tests.harness.saliency.engine.graphs import operations

IMAGES = np.random.default_rng(0).normal(size=(3, 12, 12, 5)).astype(np.float32)
TARGETS = np.array([0, 1, 2])
SHAPE = (2, *IMAGES.shape[1:])


pytestmark = pytest.mark.usefixtures("floats_library")


def model_of(middle: Callable[[Any, Any], Any]) -> Any:
    """A model around middle(layers, values): 32 channels come to it, and what it gives is averaged."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    inputs = tf.keras.Input(IMAGES.shape[1:])
    values = middle(layers, layers.Conv2D(32, 1, name="before")(inputs))
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    model = tf.keras.Model(inputs, outputs)
    random = np.random.default_rng(1)
    model.set_weights([weight + 0.2 * random.uniform(0, 1, weight.shape) for weight in model.get_weights()])
    return model


def convolution(layers: Any, **options: Any) -> Any:
    return layers.Conv2D(**{"filters": 40, "kernel_size": 3, "padding": "same", "name": "tried", **options})


def convolution_of_signs(layers: Any) -> Any:
    import larq as lq

    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign"}
    return lq.layers.QuantConv2D(40, 3, padding="same", pad_values=1, name="tried", **signs)


def read_alone(layers: Any, values: Any, relu: Any, made: Any = convolution) -> Any:
    return relu(made(layers)(values))


GATED: dict[str, Callable[[Any, Any], Any]] = {
    "its activation": lambda layers, values: convolution(layers, activation="relu")(values),
    "an activation": lambda layers, values: read_alone(layers, values, layers.Activation("relu")),
    "a layer": lambda layers, values: read_alone(layers, values, layers.ReLU()),
    "an operation": lambda layers, values: read_alone(layers, values, relu_operation),
    "behind a norm": lambda layers, values: read_alone(
        layers, values, lambda made: layers.ReLU()(layers.BatchNormalization(name="norm")(made))
    ),
    "read by two": lambda layers, values: read_alone(
        layers, values, lambda made: layers.Add()([relu := layers.ReLU()(made), layers.AveragePooling2D(1)(relu)])
    ),
    "of signs": lambda layers, values: read_alone(layers, values, layers.ReLU(), convolution_of_signs),
    "after zeros": lambda layers, values: convolution(layers, activation="relu", padding="valid")(
        layers.ZeroPadding2D()(values)
    ),
}

NOT_GATED: dict[str, Callable[[Any, Any], Any]] = {
    "with a ceiling": lambda layers, values: read_alone(layers, values, layers.ReLU(max_value=6)),
    "relu6": lambda layers, values: convolution(layers, activation=relu6_function)(values),
    "leaky": lambda layers, values: read_alone(layers, values, layers.ReLU(negative_slope=0.1)),
    "from a threshold": lambda layers, values: read_alone(layers, values, layers.ReLU(threshold=0.3)),
    "beside another reader": lambda layers, values: read_alone(
        layers, values, lambda made: layers.Add()([layers.ReLU()(made), made])
    ),
    "of a few channels": lambda layers, values: convolution(layers, filters=8, activation="relu")(values),
    "of the next convolution": lambda layers, values: layers.Conv2D(8, 3, padding="same", activation="relu")(
        convolution(layers)(values)
    ),
    "of a dense layer": lambda layers, values: layers.Dense(40, activation="relu")(convolution(layers)(values)),
    "before the convolution": lambda layers, values: convolution(layers)(layers.ReLU()(values)),
}


def relu_operation(values: Any) -> Any:
    import tensorflow as tf

    return tf.nn.relu(values)


def relu6_function(values: Any) -> Any:
    import tensorflow as tf

    return tf.nn.relu6(values)


def relu_gradients(engine: GradientEngine, layers: tuple[str, ...] = ()) -> int:
    counted = operations(engine, SHAPE, layers=layers)
    return counted["ReluGrad"] + counted["Relu6Grad"] + counted["LeakyReluGrad"]


def assert_same_maps(fast: GradientEngine, plain: GradientEngine, layers: tuple[str, ...] = ()) -> None:
    actual, expected = (engine.backward(IMAGES, TARGETS, layers=layers) for engine in (fast, plain))
    pairs = [(actual.input_gradient, expected.input_gradient)]
    pairs += [(actual.gradients[name], expected.gradients[name]) for name in layers]
    for gradient, wanted in pairs:
        assert wanted.any()
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(actual.logits, expected.logits, rtol=1e-6)


@pytest.mark.parametrize("case", GATED)
def test_a_relu_leaves_its_gradient_to_the_convolution(case: str) -> None:
    model = model_of(GATED[case])
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert relu_gradients(plain) == 1
    assert relu_gradients(fast) == 0
    assert_same_maps(fast, plain)


@pytest.mark.parametrize("case", NOT_GATED)
def test_a_relu_keeps_its_gradient(case: str) -> None:
    model = model_of(NOT_GATED[case])
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert relu_gradients(fast) == relu_gradients(plain)
    assert_same_maps(fast, plain)


@pytest.mark.parametrize("layer", ["tried", "norm"])
def test_gradients_asked_for_before_a_relu_are_those_before_it(layer: str) -> None:
    model = model_of(GATED["behind a norm"])
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert relu_gradients(fast, (layer,)) == 1
    assert_same_maps(fast, plain, (layer,))


def test_gradients_asked_for_behind_a_relu_change_nothing() -> None:
    model = model_of(GATED["its activation"])
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert relu_gradients(fast, ("tried",)) == 0
    assert_same_maps(fast, plain, ("tried",))


@pytest.mark.parametrize("case", ["its activation", "an activation", "a layer", "an operation", "behind a norm"])
def test_guided_relus_keep_their_rule(case: str) -> None:
    model = model_of(GATED[case])
    fast, plain = (
        compute(GradientEngine(model, fast=way), "guided_backprop", IMAGES, TARGETS).values for way in (True, False)
    )
    gradient = compute(GradientEngine(model), "gradient", IMAGES, TARGETS).values
    np.testing.assert_allclose(fast, plain, rtol=0, atol=2e-5 * np.abs(plain).max())
    assert np.abs(fast - gradient).max() > 1e-3 * np.abs(gradient).max(), "the rule made no difference"
