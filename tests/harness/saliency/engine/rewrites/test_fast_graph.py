"""The faster graph: the same maps, and the plain forward pass wherever a gradient passes a comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.models.twins import build_twin
from harness.saliency import GradientEngine, compute
from tests.harness.saliency.engine.graphs import operations

IMAGES = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)


def small_model(activation: str, pooling: str = "average") -> Any:
    """Convolutions and norms with weights that a norm does not start with."""
    import larq as lq
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)

    def activated(name: str) -> Any:
        return lq.quantizers.SteSign(name=name) if activation == "sign" else layers.Activation(activation, name=name)

    pool = layers.AveragePooling2D if pooling == "average" else layers.MaxPooling2D
    model = tf.keras.Sequential(
        [
            tf.keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, use_bias=False, name="first"),
            layers.BatchNormalization(),
            activated("before"),
            pool(),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.BatchNormalization(scale=False),
            activated("last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    random = np.random.default_rng(1)
    model.set_weights([weight + 0.2 * random.uniform(0, 1, weight.shape) for weight in model.get_weights()])
    return model


def test_a_smooth_model_is_folded_and_gives_the_plain_maps() -> None:
    model = small_model("swish")
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert [fold.convolution for fold in fast.setup.folds] == ["first", "depthwise"]
    for method in ("gradient", "gradcam"):
        parameters = {"relu": False} if method == "gradcam" else {}
        actual, expected = (compute(engine, method, IMAGES, parameters=parameters).values for engine in (fast, plain))
        np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "build",
    [
        lambda: small_model("relu"),
        lambda: small_model("swish", "maximum"),
        lambda: small_model("sign"),
        lambda: build_twin(image_size=16, classes=5, binarized=False),
        lambda: build_twin(image_size=16, classes=5, binarized=True),
    ],
    ids=["relu", "maximum", "sign", "float twin", "binarized twin"],
)
def test_a_gradient_that_passes_comparisons_comes_from_the_plain_forward_pass(build: Callable[[], Any]) -> None:
    model, targets = build(), np.array([0, 1, 2])
    fast, plain = (GradientEngine(model, fast=way).backward(IMAGES, targets) for way in (True, False))
    np.testing.assert_allclose(fast.logits, plain.logits, rtol=1e-6)
    np.testing.assert_allclose(
        fast.input_gradient, plain.input_gradient, rtol=0, atol=1e-6 * np.ptp(plain.input_gradient)
    )


def test_only_the_backward_pass_is_folded_where_a_gradient_passes_a_relu() -> None:
    engine = GradientEngine(small_model("relu"))
    count = operations(engine, IMAGES.shape)
    assert count["FusedBatchNormV3"] == count["PlaceholderWithDefault"] == 2, "two norms, kept from their convolutions"
    assert count["FusedBatchNormGradV3"] == 0


def test_a_model_with_relus_is_folded_before_the_layer_at_which_the_gradient_ends() -> None:
    model, targets = small_model("relu"), np.array([0, 1, 2])
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    layer = "last"
    assert operations(fast, IMAGES.shape, "features", layers=(layer,))["FusedBatchNormV3"] == 0
    actual, expected = (
        engine.backward(IMAGES, targets, layers=(layer,), input_gradient=False) for engine in (fast, plain)
    )
    np.testing.assert_allclose(actual.features[layer], expected.features[layer], atol=1e-5)
    np.testing.assert_allclose(actual.gradients[layer], expected.gradients[layer], atol=1e-5)


def test_nothing_is_folded_before_a_sign() -> None:
    model = small_model("sign")
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert operations(fast, IMAGES.shape, "logits") == operations(plain, IMAGES.shape, "logits")
    np.testing.assert_array_equal(fast.logits(IMAGES), plain.logits(IMAGES))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "as_same"),
    [
        (16, 3, 2, ((0, 1), (0, 1)), True),
        (16, 5, 2, ((1, 2), (1, 2)), True),
        (15, 3, 2, ((1, 1), (1, 1)), True),
        (16, 3, 1, ((1, 1), (1, 1)), True),
        (16, 3, 2, ((1, 1), (1, 1)), False),
        (15, 3, 2, ((0, 1), (0, 1)), False),
        (16, 3, 1, ((1, 1), (0, 2)), False),
        (16, 3, 1, ((2, 2), (2, 2)), False),
    ],
)
@pytest.mark.parametrize("depthwise", [False, True])
def test_padding_is_left_to_the_convolution_where_it_is_that_of_same(
    size: int, kernel: int, stride: int, padding: Any, as_same: bool, depthwise: bool
) -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    convolution = (
        layers.DepthwiseConv2D(kernel, stride) if depthwise else layers.Conv2D(4, kernel, stride, name="convolution")
    )
    model = tf.keras.Sequential(
        [
            tf.keras.Input((size, size, 3)),
            layers.ZeroPadding2D(padding, name="pad"),
            convolution,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    images, targets = IMAGES[:, :size, :size], np.array([0, 1, 2])
    fast, plain = GradientEngine(model, batch_size=4), GradientEngine(model, batch_size=4, fast=False)
    actual, expected = (engine.backward(images, targets) for engine in (fast, plain))
    np.testing.assert_allclose(actual.logits, expected.logits, rtol=1e-6)
    np.testing.assert_allclose(actual.input_gradient, expected.input_gradient, atol=1e-7)
    assert ("Pad" in operations(fast, (4, *images.shape[1:]))) is not as_same
    np.testing.assert_array_equal(fast.features(images, "pad"), plain.features(images, "pad"))


def test_channels_are_normalized_by_rows_to_the_same_bits() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input((16, 10, 3)),
            layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0], name="normalization"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    images = np.ascontiguousarray(IMAGES[:, :, :10])
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    np.testing.assert_array_equal(fast.features(images, "normalization"), plain.features(images, "normalization"))
    targets = np.array([0, 1, 1])
    actual, expected = (engine.backward(images, targets).input_gradient for engine in (fast, plain))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_a_convolution_whose_own_output_is_asked_for_keeps_it() -> None:
    model = small_model("swish")
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    np.testing.assert_allclose(fast.features(IMAGES, "first"), plain.features(IMAGES, "first"), atol=1e-6)
