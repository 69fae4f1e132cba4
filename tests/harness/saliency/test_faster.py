"""The faster graph: norms are folded where nothing is compared; elsewhere the forward pass is the plain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.models.twins import build_twin
from harness.saliency import GradientEngine, compute

IMAGES = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)


def network(activation: str, pooling: str = "average") -> Any:
    """Convolutions and norms with weights that a norm does not start with."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    pool = layers.AveragePooling2D if pooling == "average" else layers.MaxPooling2D
    model = tf.keras.Sequential(
        [
            tf.keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, use_bias=False, name="first"),
            layers.BatchNormalization(),
            layers.Activation(activation),
            pool(),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.BatchNormalization(scale=False),
            layers.Activation(activation),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    random = np.random.default_rng(1)
    model.set_weights([weight + 0.2 * random.uniform(0, 1, weight.shape) for weight in model.get_weights()])
    return model


def test_a_smooth_network_is_folded_and_gives_the_plain_maps() -> None:
    model = network("swish")
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert [fold.convolution for fold in fast.folds] == ["first", "depthwise"]
    for method in ("gradient", "gradcam"):
        parameters = {"relu": False} if method == "gradcam" else {}
        found, expected = (compute(engine, method, IMAGES, parameters=parameters).values for engine in (fast, plain))
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "build",
    [
        lambda: network("relu"),
        lambda: network("swish", "maximum"),
        lambda: build_twin(image_size=16, classes=5, binarized=False),
        lambda: build_twin(image_size=16, classes=5, binarized=True),
    ],
    ids=["relu", "maximum", "float twin", "binarized twin"],
)
def test_where_a_comparison_decides_nothing_is_folded_and_logits_are_the_plain_ones(build: Callable[[], Any]) -> None:
    model = build()
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert fast.folds == ()
    np.testing.assert_array_equal(fast.logits(IMAGES), plain.logits(IMAGES))
    found, expected = (compute(engine, "gradient", IMAGES).values for engine in (fast, plain))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


def test_a_convolution_whose_own_output_is_asked_for_keeps_it() -> None:
    model = network("swish")
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    np.testing.assert_allclose(fast.features(IMAGES, "first"), plain.features(IMAGES, "first"), atol=1e-6)
