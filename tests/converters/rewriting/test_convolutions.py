"""Which convolutions are binary, and why others are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from converters.rewriting.constants import value
from converters.rewriting.convolutions import StaysFloat, binarize_convolutions, binary_convolution
from converters.rewriting.geometry import SAME, VALID
from converters.rewriting.graph import Graph, Operator, constant
from converters.rewriting.packing import unpack
from tests.converters.rewriting.graphs import (
    RELU,
    TANH,
    activation,
    convolution,
    graph,
    larq_sign,
    names,
    scalar,
    signs,
    step,
)

RNG = np.random.default_rng(0)
IMAGE = activation(1, 6, 6, 8, name="image")


def made(weights: np.ndarray, **options: Any) -> tuple[Graph, Operator]:
    steps = larq_sign(IMAGE)
    last = convolution(steps[-1].output, weights, **options)
    return graph(IMAGE, [*steps, last]), last


def padded(pads: list[list[int]], pad_value: float, size: int) -> tuple[Graph, Operator]:
    """A sign, padded to `size`, and a VALID convolution of it."""
    steps = larq_sign(IMAGE)
    numbers = [constant(np.array(pads, np.int32)), scalar(pad_value)]
    padder = step("PADV2", steps[-1].output, *numbers, like=activation(1, size, size, 8))
    last = convolution(padder.output, signs(RNG, 4, 3, 3, 8))
    return graph(IMAGE, [*steps, padder, last]), last


def test_signs_of_weights_are_packed_and_their_size_is_the_multiplier() -> None:
    weights = signs(RNG, 4, 3, 3, 8) * np.array([0.5, 1, 2, 3], np.float32)[:, None, None, None]
    built, last = made(weights, padding=SAME)
    binarize_convolutions(built)
    assert names(built) == ["LceQuantize", "LceBconv2d"]
    _, packed, multiplier, bias, thresholds = (value(tensor) for tensor in built.operators[-1].inputs)
    assert packed is not None
    assert multiplier is not None
    assert bias is not None
    np.testing.assert_array_equal(unpack(packed, 8), weights < 0)
    assert multiplier.tolist() == [0.5, 1, 2, 3]
    assert bias.tolist() == [0, 0, 0, 0]
    assert thresholds is None
    assert built.outputs == [last.output]


def test_same_padding_of_a_convolution_pads_zeros() -> None:
    built, last = made(signs(RNG, 4, 3, 3, 8), padding=SAME)
    found = binary_convolution(built, last)
    assert (found.padding, found.pad_value, found.zero_padded) == (SAME, 0, True)


def test_same_padding_that_pads_nothing_is_valid() -> None:
    built, last = made(signs(RNG, 4, 1, 1, 8), padding=SAME)
    assert binary_convolution(built, last).padding == VALID


@pytest.mark.parametrize("pad_value", [0, 1])
def test_pad_and_a_valid_convolution_are_a_same_one(pad_value: int) -> None:
    built, last = padded([[0, 0], [1, 1], [1, 1], [0, 0]], pad_value, 8)
    found = binary_convolution(built, last)
    assert (found.padding, found.pad_value) == (SAME, pad_value)
    assert found.sign.source is IMAGE


@pytest.mark.parametrize(
    ("pads", "pad_value", "size"),
    [([[0, 0], [2, 2], [2, 2], [0, 0]], 1, 10), ([[0, 0], [1, 1], [1, 1], [0, 0]], -1, 8)],
)
def test_signs_padded_in_another_way_are_quantized_padded(pads: list[list[int]], pad_value: int, size: int) -> None:
    built, last = padded(pads, pad_value, size)
    found = binary_convolution(built, last)
    assert found.padding == VALID
    assert found.sign.source.shape == (1, size, size, 8)


def test_zeros_padded_in_another_way_stay_in_floats() -> None:
    built, last = padded([[0, 0], [2, 2], [2, 2], [0, 0]], 0, 10)
    with pytest.raises(StaysFloat, match="zeros are padded to its signs, and not as padding='same' does"):
        binary_convolution(built, last)


def test_relu_of_a_zero_padded_convolution_stays_behind_it() -> None:
    built, _ = made(signs(RNG, 4, 3, 3, 8), padding=SAME, activation=RELU)
    binarize_convolutions(built)
    assert names(built) == ["LceQuantize", "LceBconv2d", "RELU"]


def test_relu_of_a_valid_convolution_is_fused() -> None:
    built, _ = made(signs(RNG, 4, 3, 3, 8), activation=RELU)
    binarize_convolutions(built)
    assert names(built) == ["LceQuantize", "LceBconv2d"]
    assert built.operators[-1].options["fused_activation_function"] == 1


ODD = signs(RNG, 4, 3, 3, 8)
ODD[1, 0, 0, 0] *= np.float32(1.0001)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (ODD, "its weights have more than one magnitude in an output channel"),
        (np.zeros((4, 3, 3, 8), np.float32), "its weights are all zero"),
        (signs(RNG, 4, 3, 3, 8).astype(np.int32), "its weights are not float32 constants"),
        (signs(RNG, 4, 3, 3, 4), "its 2 groups have 4 channels each, which is no multiple of 32"),
    ],
)
def test_weights_that_are_no_signs_stay_in_floats(weights: np.ndarray, reason: str) -> None:
    built, last = made(weights)
    with pytest.raises(StaysFloat, match=reason):
        binary_convolution(built, last)
    before = names(built)
    binarize_convolutions(built)
    assert names(built) == before


def test_images_that_are_no_signs_stay_in_floats() -> None:
    last = convolution(IMAGE, signs(RNG, 4, 3, 3, 8))
    with pytest.raises(StaysFloat, match="its input is not a sign"):
        binary_convolution(graph(IMAGE, [last]), last)


def test_activation_that_lce_does_not_have_stays_in_floats() -> None:
    built, last = made(signs(RNG, 4, 3, 3, 8), activation=TANH)
    with pytest.raises(StaysFloat, match="LCE does not have its activation"):
        binary_convolution(built, last)


def test_convolution_without_a_bias_has_one_of_zeros() -> None:
    built, last = made(signs(RNG, 4, 3, 3, 8))
    last.inputs.pop()
    assert binary_convolution(built, last).bias.tolist() == [0, 0, 0, 0]


def test_channels_whose_gamma_was_zero_have_a_multiplier_of_zero() -> None:
    weights = signs(RNG, 4, 3, 3, 8)
    weights[2] = 0
    built, last = made(weights)
    assert binary_convolution(built, last).magnitude.tolist() == [1, 1, 0, 1]
