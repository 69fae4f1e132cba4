"""Binarized convolutions that count bits: the numbers of the plain graph, bit for bit, forwards and backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import MeasurementError
from harness.saliency import GradientEngine, compute
from harness.saliency.engine.rewrites import counting
from tests.harness.saliency.engine.graphs import operations

IMAGES = np.random.default_rng(0).normal(size=(5, 13, 11, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2, 3, 4])
SHAPE = (2, *IMAGES.shape[1:])


@pytest.fixture(autouse=True)
def operators() -> None:
    if not counting.is_available():
        pytest.skip("needs the LCE operators: a C++ compiler, or a wheel that carries them")


def small_model(**options: Any) -> Any:
    """A full-precision layer, the binarized one that is tried, a norm that brings its sums near zero, another one."""
    import larq as lq
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    return tf.keras.Sequential(
        [
            tf.keras.Input((13, 11, 3)),
            layers.Conv2D(32, 3, name="full"),
            lq.layers.QuantConv2D(**{"filters": 24, "kernel_size": 3, "name": "tried", **signs, **options}),
            layers.BatchNormalization(moving_variance_initializer=tf.keras.initializers.Constant(300)),
            lq.layers.QuantConv2D(8, 3, padding="same", name="last", **signs),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def assert_equal_to_plain(model: Any, *, counts: int, **variant: str) -> None:
    """The fast engine counts that many convolutions, and differs from the plain one in nothing."""
    fast, plain = (GradientEngine(model, fast=way).variant(**variant) for way in (True, False))
    assert operations(fast, SHAPE, "logits")["BitlensSignConvolution"] == counts
    actual, expected = (engine.backward(IMAGES, TARGETS, layers=("tried", "last")) for engine in (fast, plain))
    np.testing.assert_array_equal(actual.logits, expected.logits)
    np.testing.assert_array_equal(actual.features["tried"], expected.features["tried"])
    np.testing.assert_array_equal(actual.gradients["last"], expected.gradients["last"])
    np.testing.assert_allclose(actual.gradients["tried"], expected.gradients["tried"], rtol=0, atol=1e-7)
    scale = np.abs(expected.input_gradient).max()
    assert scale > 0
    np.testing.assert_allclose(actual.input_gradient, expected.input_gradient, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "same"},
        {"padding": "same", "pad_values": 1.0},
        {"padding": "same", "pad_values": 1.0, "strides": 2},
        {"padding": "same", "kernel_size": (2, 4)},
        {"padding": "same", "dilation_rate": 2, "pad_values": 1.0},
        {"kernel_size": 1, "strides": (3, 2)},
        {"use_bias": True, "bias_initializer": "random_normal", "activation": "relu"},
        {"activation": "swish"},
        {"input_quantizer": "approx_sign"},
        {"input_quantizer": "swish_sign", "kernel_quantizer": "approx_sign"},
    ],
    ids=str,
)
def test_a_counted_convolution_changes_no_bit(options: dict[str, Any]) -> None:
    assert_equal_to_plain(small_model(**options), counts=2)


@pytest.mark.parametrize(
    "options",
    [
        {"input_quantizer": None},
        {"input_quantizer": "ste_tern"},
        {"input_quantizer": "dorefa_quantizer"},
        {"kernel_quantizer": None},
        {"kernel_quantizer": "ste_tern"},
        {"kernel_quantizer": "magnitude_aware_sign"},
        {"padding": "same", "pad_values": -1.0},
    ],
    ids=str,
)
def test_what_is_not_a_product_of_signs_stays_in_floats(options: dict[str, Any]) -> None:
    assert_equal_to_plain(small_model(**options), counts=1)


@pytest.mark.parametrize("ste", ["ste_identity", "approx_sign", "swish_sign"])
def test_another_estimator_is_that_of_the_plain_graph(ste: str) -> None:
    assert_equal_to_plain(small_model(padding="same", pad_values=1.0), counts=2, ste=ste)


def test_guided_relus_after_a_counted_convolution_are_guided() -> None:
    model = small_model(activation="relu")
    guided, own = (compute(GradientEngine(model), name, IMAGES).values for name in ("guided_backprop", "gradient"))
    expected = compute(GradientEngine(model, fast=False), "guided_backprop", IMAGES).values
    np.testing.assert_allclose(guided, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert np.abs(guided - own).max() > 0.1 * np.abs(own).max(), "the rule changes this model's gradient"


def test_no_float_convolution_of_a_counted_layer_is_left_forwards() -> None:
    model = small_model()
    assert operations(GradientEngine(model), SHAPE, "logits")["Conv2D"] == 1
    assert operations(GradientEngine(model, fast=False), SHAPE, "logits")["Conv2D"] == 3


def test_without_the_operators_library_maps_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(padding="same")
    counted = compute(GradientEngine(model), "smoothgrad", IMAGES).values
    monkeypatch.setattr(counting, "is_available", lambda: False)
    in_floats = GradientEngine(model)
    assert "BitlensSignConvolution" not in operations(in_floats, SHAPE)
    np.testing.assert_allclose(compute(in_floats, "smoothgrad", IMAGES).values, counted, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_several_threads_give_the_same_maps(threads: int) -> None:
    images = np.concatenate([IMAGES] * 4)
    model = small_model(padding="same", pad_values=1.0)
    attribution = compute(GradientEngine(model, threads=threads, batch_size=2), "gradient", images).values
    np.testing.assert_allclose(
        attribution, compute(GradientEngine(model, fast=False), "gradient", images).values, atol=1e-6
    )


def test_a_nan_that_only_a_later_image_makes_is_found_behind_a_sign() -> None:
    import tensorflow as tf

    inner = small_model()
    model = tf.keras.Sequential(
        [tf.keras.Input((13, 11, 3)), tf.keras.layers.Lambda(tf.sqrt, name="root"), *inner.layers]
    )
    images = np.abs(IMAGES)
    images[3, 5, 5, 1] = -1
    with pytest.raises(MeasurementError, match='layer "root" gives NaN'):
        GradientEngine(model).logits(images)
