"""Backward passes by the library: the plain gradient but for its rounding, and the plain forward pass to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.native import float_convolution, floats
from harness.saliency import GradientEngine
from harness.saliency.engine.rewrites import tiles
from harness.saliency.engine.setup import KERNELS_FRACTION
from tests.harness.saliency.engine.graphs import operations

IMAGES = np.random.default_rng(0).normal(size=(5, 13, 11, 5)).astype(np.float32)
TARGETS = np.array([0, 1, 2, 3, 4])
SHAPE = (2, *IMAGES.shape[1:])


pytestmark = pytest.mark.usefixtures("floats_library")


def small_model(*, norm: bool = False, **options: Any) -> Any:
    """The convolution that is tried, between two of one pixel that are none of Winograd's; no image, for blocks."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    variances = tf.keras.initializers.RandomUniform(0.5, 2)
    return tf.keras.Sequential(
        [
            tf.keras.Input((13, 11, 5)),
            layers.Conv2D(32, 1, activation="relu", name="before"),
            layers.Conv2D(**{"filters": 48, "kernel_size": 3, "name": "tried", **options}),
            *([layers.BatchNormalization(moving_variance_initializer=variances)] if norm else []),
            layers.Activation("relu"),
            layers.Conv2D(8, 1, name="after"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def assert_plain_but_for_rounding(fast: GradientEngine, plain: GradientEngine) -> None:
    actual, expected = (engine.backward(IMAGES, TARGETS, layers=("before", "after")) for engine in (fast, plain))
    np.testing.assert_array_equal(actual.logits, expected.logits)
    np.testing.assert_array_equal(actual.features["after"], expected.features["after"])
    for gradient, wanted in (
        (actual.input_gradient, expected.input_gradient),
        (actual.gradients["before"], expected.gradients["before"]),
    ):
        assert wanted.any()
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"padding": "same"}, {"activation": "relu", "padding": "same"}, {"use_bias": False}, {"filters": 130}],
    ids=str,
)
def test_a_3x3_convolution_goes_back_by_tiles(options: dict[str, Any], norm: bool) -> None:
    model = small_model(norm=norm, **options)
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert operations(plain, SHAPE)["Conv2DBackpropInput"] == operations(fast, SHAPE)["Conv2DBackpropInput"] + 1
    assert operations(fast, SHAPE)["BitlensConvolution"] == 1
    assert_plain_but_for_rounding(fast, plain)


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"dilation_rate": 2},
        {"kernel_size": (3, 2)},
        {"filters": 16},
        {"padding": "same", "kernel_size": 5},
    ],
    ids=str,
)
def test_what_does_not_suit_goes_back_as_it_did(options: dict[str, Any]) -> None:
    model = small_model(**options)
    fast = GradientEngine(model)
    assert "BitlensConvolution" not in operations(fast, SHAPE)
    assert_plain_but_for_rounding(fast, GradientEngine(model, fast=False))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"strides": 2}, {"strides": 3, "padding": "same"}, {"activation": "relu"}, {"filters": 33}],
    ids=str,
)
def test_a_convolution_with_one_tap_goes_back_by_the_library(
    options: dict[str, Any], norm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "LEAST_PRODUCTS", 1000)
    monkeypatch.setattr(tiles, "LEAST_USE", 0.1)
    model = small_model(norm=norm, **{"kernel_size": 1, **options})
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert operations(plain, SHAPE)["Conv2DBackpropInput"] == operations(fast, SHAPE)["Conv2DBackpropInput"] + 1
    goes_forwards = norm and "activation" not in options and "filters" not in options  # see test_products.py
    assert operations(fast, SHAPE)["BitlensConvolution"] == 1 + goes_forwards
    assert_plain_but_for_rounding(fast, plain)


@pytest.mark.parametrize(("products", "use"), [(13 * 11 * 32 * 48 + 1, 0.1), (1000, 0.51)])
def test_one_tap_goes_back_as_it_did_where_that_is_as_fast(
    products: int, use: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little to do, or too much of what would be done for nothing: 64 channels for 32 with AVX-512."""
    monkeypatch.setattr(tiles, "LEAST_PRODUCTS", products)
    monkeypatch.setattr(tiles, "LEAST_USE", use)
    monkeypatch.setattr(float_convolution, "filters_worked_on", lambda filters: -(-filters // 64) * 64)
    assert operations(GradientEngine(small_model(kernel_size=1)), SHAPE)["BitlensConvolution"] == 0


def test_kernels_are_transformed_once_for_all_functions_and_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Counted(float_convolution.Kernel):
        def __init__(self, values: np.ndarray) -> None:
            made.append(values.shape)
            super().__init__(values)

    monkeypatch.setattr(float_convolution, "Kernel", Counted)
    engine = GradientEngine(small_model(padding="same"))
    for count in (1, 2, 4):
        engine.backward(IMAGES[:count], TARGETS[:count])
    engine.variant(relu="guided").backward(IMAGES, TARGETS)
    assert made == [(3, 3, 48, 32)]


def test_transformed_kernels_stay_within_their_share_of_the_memory_budget() -> None:
    model = small_model(padding="same", filters=96)
    kernel_mib = 4 * 36 * 32 * 96 / 2**20
    needed_mib = math.ceil(KERNELS_FRACTION * kernel_mib)
    too_little, enough = (GradientEngine(model, memory_budget_mib=needed_mib - less) for less in (1, 0))
    assert operations(too_little, SHAPE)["BitlensConvolution"] == 0
    assert operations(enough, SHAPE)["BitlensConvolution"] == 1
    assert_plain_but_for_rounding(enough, too_little)


def test_without_the_library_maps_are_the_same_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(padding="same", norm=True)
    fast = GradientEngine(model)
    assert "BitlensConvolution" in operations(fast, SHAPE)
    monkeypatch.setattr(floats, "is_available", lambda: False)
    without = GradientEngine(model)
    assert "BitlensConvolution" not in operations(without, SHAPE)
    assert_plain_but_for_rounding(fast, without)


def test_plain_graph_never_asks_for_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floats, "is_available", lambda: pytest.fail("building it takes seconds"))
    GradientEngine(small_model(padding="same"), fast=False).backward(IMAGES, TARGETS)
