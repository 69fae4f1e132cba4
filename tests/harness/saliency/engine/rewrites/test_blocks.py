"""Backward passes of convolutions of images by blocks of pixels: the same maps up to rounding, for any window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.saliency import GradientEngine
from tests.harness.saliency.engine.graphs import operations

TARGETS = np.array([0, 1, 2])


def small_model(size: tuple[int, int], *, quantized: bool = False, channels: int = 3, **options: Any) -> Any:
    """A convolution of an image as the first of a binarized model is: its kernel may be signs, its input is not."""
    import larq as lq
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    kind = lq.layers.QuantConv2D if quantized else layers.Conv2D
    more = {"kernel_quantizer": "ste_sign", "pad_values": 1.0} if quantized else {}
    return tf.keras.Sequential(
        [
            tf.keras.Input((*size, channels)),
            kind(8, **options, **more),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def assert_same_maps(model: Any, *, by_blocks: bool) -> None:
    images = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype(np.float32)
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    actual, expected = (engine.backward(images, TARGETS).input_gradient for engine in (fast, plain))
    assert actual.shape == images.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    assert operations(plain, images.shape)["Conv2DBackpropInput"] == 1
    assert operations(fast, images.shape)["Conv2DBackpropInput"] == (0 if by_blocks else 1)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "kernel_size", "strides"),
    [
        ((32, 32), 7, 2),
        ((37, 32), 11, 4),
        ((16, 17), 3, 1),
        ((15, 16), 3, 2),
        ((20, 22), 5, 3),
        ((17, 19), (3, 5), 2),
        ((12, 12), 2, 3),
        ((9, 10), 1, 2),
        ((8, 8), 1, 1),
    ],
)
def test_an_image_gets_what_it_would_get_pixel_by_pixel(
    size: Any, kernel_size: Any, strides: int, padding: str
) -> None:
    assert_same_maps(small_model(size, kernel_size=kernel_size, strides=strides, padding=padding), by_blocks=True)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_quantized_kernel_and_padding_of_ones(padding: str) -> None:
    model = small_model((21, 16), quantized=True, kernel_size=5, strides=2, padding=padding)
    assert_same_maps(model, by_blocks=True)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "channels": 5},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 3, "strides": (1, 2)},
    ],
    ids=["channels", "dilated", "strides that differ"],
)
def test_what_does_not_suit_goes_back_as_it_did(options: dict[str, Any]) -> None:
    assert_same_maps(small_model((12, 12), **options), by_blocks=False)
