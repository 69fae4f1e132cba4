"""Dense layers that go back by rows of their weights: the plain gradient but for its rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.saliency import GradientEngine, compute
from harness.saliency.engine.rewrites import dense_layers
from tests.harness.saliency.engine.graphs import operations

IMAGES = np.random.default_rng(0).normal(size=(3, 4, 4, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2])
SHAPE = (2, *IMAGES.shape[1:])


pytestmark = pytest.mark.usefixtures("floats_library")


@pytest.fixture(autouse=True)
def nothing_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_layers, "LEAST_WEIGHTS", 1000)


def small_model(activation: str = "relu", *, norm: bool = False) -> Any:
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    variances = tf.keras.initializers.RandomUniform(0.5, 2)
    return tf.keras.Sequential(
        [
            tf.keras.Input(IMAGES.shape[1:]),
            layers.Flatten(),
            layers.Dense(30, activation=activation, name="large", bias_initializer="uniform"),
            *([layers.BatchNormalization(moving_variance_initializer=variances), layers.ReLU()] if norm else []),
            layers.Dense(5, activation="softmax", name="small"),
        ]
    )


def assert_same_maps(model: Any) -> None:
    actual, expected = (GradientEngine(model, fast=way).backward(IMAGES, TARGETS, layers=()) for way in (True, False))
    np.testing.assert_array_equal(actual.logits, expected.logits)
    wanted = expected.input_gradient
    np.testing.assert_allclose(actual.input_gradient, wanted, rtol=0, atol=2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("activation", ["relu", "linear", "tanh", "elu"])
def test_a_large_layer_goes_back_by_rows(activation: str) -> None:
    model = small_model(activation)
    assert operations(GradientEngine(model), SHAPE)["BitlensDenseGradient"] == 1
    assert_same_maps(model)


def test_a_norm_behind_it_is_in_the_weights_that_it_goes_back_by() -> None:
    model = small_model("linear", norm=True)
    assert operations(GradientEngine(model), SHAPE)["BitlensDenseGradient"] == 1
    assert_same_maps(model)


def test_a_layer_with_few_weights_goes_back_as_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_layers, "LEAST_WEIGHTS", 48 * 30 + 1)
    assert operations(GradientEngine(small_model()), SHAPE)["BitlensDenseGradient"] == 0


def test_a_layer_that_ends_in_the_softmax_keeps_its_logits() -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    softmax = layers.Dense(30, activation="softmax")
    model = tf.keras.Sequential([tf.keras.Input(IMAGES.shape[1:]), layers.Flatten(), softmax])
    assert_same_maps(model)
    expected = IMAGES.reshape(3, -1) @ model.get_weights()[0]
    np.testing.assert_allclose(GradientEngine(model).logits(IMAGES), expected, atol=1e-5)


def test_a_guided_relu_keeps_its_rule() -> None:
    model = small_model("relu")
    fast, plain = (
        compute(GradientEngine(model, fast=way), "guided_backprop", IMAGES, TARGETS).values for way in (True, False)
    )
    np.testing.assert_allclose(fast, plain, rtol=0, atol=2e-6 * np.abs(plain).max())


def test_the_weights_are_those_of_the_model() -> None:
    """A constant would be a copy of them for each compiled pass."""
    with GradientEngine(small_model()).function(SHAPE, (), "input") as function:
        (gradient,) = (each for each in function.graph.get_operations() if each.type == "BitlensDenseGradient")
    assert gradient.inputs[1].op.type == "ReadVariableOp"
