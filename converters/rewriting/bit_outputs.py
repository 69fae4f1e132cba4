"""Convolutions whose floats are only quantized write the bits themselves, by a threshold for each channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converters.rewriting.constants import value
from converters.rewriting.geometry import SAME
from converters.rewriting.graph import Graph, Operator, constant
from converters.rewriting.packing import pack, unpack, words

ALWAYS_PLUS, ALWAYS_MINUS = 2**31 - 1, -(2**31)
_RANGES = {0: (-np.inf, np.inf), 1: (0.0, np.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}  # of LCE's activations


def write_bits(graph: Graph) -> None:
    """Rule: LceBconv2d without zero padding, whose floats only LceQuantize reads, takes its place."""
    for convolution in [operator for operator in graph.operators if operator.name == "LceBconv2d"]:
        quantize = graph.only_reader(convolution.output)
        options = convolution.options
        zero_padded = options["padding"] == SAME and options["pad_values"] == 0
        if quantize is not None and quantize.name == "LceQuantize" and not zero_padded:
            graph.replace([convolution, quantize], [_with_thresholds(convolution, quantize)])


def _with_thresholds(convolution: Operator, quantize: Operator) -> Operator:
    """Where the multiplier is negative the output falls with the sum: such channels get inverted weights."""
    packed, multiplier, bias = (value(tensor) for tensor in convolution.inputs[1:4])
    assert packed is not None
    assert multiplier is not None
    assert bias is not None
    channels = _channels_of_a_group(convolution)
    negative = unpack(packed, channels) ^ (multiplier < 0)[:, None, None, None]
    limits = thresholds(
        multiplier,
        bias,
        products=int(np.prod(packed.shape[1:3])) * channels,
        activation=convolution.options["fused_activation_function"],
    )
    return Operator(
        "LceBconv2d",
        [convolution.inputs[0], constant(pack(negative)), None, None, constant(limits)],
        quantize.outputs,
        options={**convolution.options, "fused_activation_function": 0},
        custom=True,
    )


def _channels_of_a_group(convolution: Operator) -> int:
    channels: int = convolution.options["channels_in"]
    groups = words(channels) // convolution.input(1).shape[3]
    return channels // groups


def thresholds(
    multiplier: NDArray[np.float32], bias: NDArray[np.float32], *, products: int, activation: int
) -> NDArray[np.int32]:
    """The largest number of unequal signs for which each channel's output is not negative, (O,).

    With n of K products unequal the sum is K - 2n, or 2n - K in a channel whose weights are inverted. What the output
    would be is computed as the float model does, rounding included: a sum that its batch norm makes exactly 0 stays +1.
    It falls as n grows, so that the place where it becomes negative is found by halving.
    """
    low, high = (np.float32(np.clip(end, -products, products)) for end in _RANGES[activation])
    direction = np.where(multiplier < 0, np.float32(-1), np.float32(1))
    not_negative = np.full(multiplier.shape, -1, np.int64)
    negative = np.full(multiplier.shape, products + 1, np.int64)  # neither end exists: they stand for no such n
    for _ in range((products + 1).bit_length()):
        unequal = (not_negative + negative) // 2
        sums = np.clip(direction * (products - 2 * unequal).astype(np.float32), low, high)
        below_zero = (multiplier * sums + bias < 0) & (unequal >= 0)
        negative = np.where(below_zero, unequal, negative)
        not_negative = np.where(below_zero, not_negative, unequal)
    limits = np.where(not_negative == products, ALWAYS_PLUS, not_negative)
    return np.where(negative == 0, ALWAYS_MINUS, limits).astype(np.int32)
