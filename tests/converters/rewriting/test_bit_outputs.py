"""Thresholds say what the float formula says, for every sum that there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.rewriting.bit_outputs import ALWAYS_MINUS, ALWAYS_PLUS, thresholds, write_bits
from converters.rewriting.constants import value
from converters.rewriting.graph import Graph, Operator, constant
from converters.rewriting.packing import pack, unpack
from tests.converters.rewriting.graphs import activation, graph, names

ACTIVATIONS = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}
FLOATS = st.floats(-100, 100, width=32, allow_subnormal=False)


def negative_by_floats(multiplier: float, bias: float, activation: int, sums: np.ndarray) -> np.ndarray:
    """The float model, in float32 as it computes: activation, multiplication, addition, sign."""
    low, high = ACTIVATIONS[activation]
    return np.float32(multiplier) * np.clip(sums, low, high).astype(np.float32) + np.float32(bias) < 0


@given(multiplier=FLOATS, bias=FLOATS, products=st.integers(1, 300), activation=st.sampled_from(list(ACTIVATIONS)))
def test_threshold_is_the_float_formula(multiplier: float, bias: float, products: int, activation: int) -> None:
    arrays = (np.array([number], np.float32) for number in (multiplier, bias))
    (limit,) = thresholds(*arrays, products=products, activation=activation)
    unequal = np.arange(products + 1)
    sums = products - 2 * unequal if multiplier >= 0 else 2 * unequal - products  # weights are inverted below 0
    np.testing.assert_array_equal(unequal > limit, negative_by_floats(multiplier, bias, activation, sums))


@given(sum_=st.integers(-20, 20), multiplier=st.floats(0.125, 1000, width=32))
def test_sum_that_its_batch_norm_makes_zero_stays_plus_one(sum_: int, multiplier: float) -> None:
    products = 20 + sum_ % 2
    bias = -np.float32(multiplier) * np.float32(sum_)
    (limit,) = thresholds(np.float32([multiplier]), np.array([bias]), products=products, activation=0)
    unequal = (products - sum_) // 2
    assert not unequal > limit
    assert unequal == products or unequal + 1 > limit


@pytest.mark.parametrize(("bias", "limit"), [(0.0, ALWAYS_PLUS), (0.5, ALWAYS_PLUS), (-0.5, ALWAYS_MINUS)])
def test_gamma_zero_leaves_the_sign_of_beta(bias: float, limit: int) -> None:
    assert thresholds(np.zeros(1, np.float32), np.float32([bias]), products=9, activation=0) == [limit]


def test_relu_with_a_negative_factor_and_no_bias_is_zero_or_less() -> None:
    # -relu(sum): 0, which is +1, up to a sum of 0, and below zero from there on
    (limit,) = thresholds(np.float32([-1]), np.float32([0]), products=8, activation=1)
    assert limit == 4  # with inverted weights, 4 of 8 unequal is a sum of 0


def bconv(*, pad_values: int, padding: int = 0) -> Graph:
    rng = np.random.default_rng(0)
    bits, quantized = (activation(1, 4, 4, 1, type="INT32") for _ in range(2))
    result = activation(1, 4, 4, 2)
    weights = constant(pack(rng.random((2, 3, 3, 8)) < 0.5))
    channels = (constant(np.float32([1, -2])), constant(np.float32([3, 4])))
    options = {
        "channels_in": 8, "padding": padding, "pad_values": pad_values, "fused_activation_function": 1,
        "stride_height": 1, "stride_width": 1, "dilation_height_factor": 1, "dilation_width_factor": 1,
    }  # fmt: skip
    convolution = Operator("LceBconv2d", [bits, weights, *channels, None], [result], options=options, custom=True)
    return graph(bits, [convolution, Operator("LceQuantize", [result], [quantized], custom=True)], quantized)


def test_convolution_takes_the_place_of_the_quantization_behind_it() -> None:
    made = bconv(pad_values=1)
    before = value(made.operators[0].inputs[1])
    write_bits(made)
    (convolution,) = made.operators
    assert [tensor is None for tensor in convolution.inputs] == [False, False, True, True, False]
    assert convolution.options["fused_activation_function"] == 0
    after = value(convolution.inputs[1])
    assert before is not None
    assert after is not None
    flipped = unpack(before, 8) ^ unpack(after, 8)
    assert not flipped[0].any()
    assert flipped[1].all()  # where the multiplier is negative


def test_zero_padding_keeps_floats() -> None:
    made = bconv(pad_values=0)
    write_bits(made)
    assert names(made) == ["LceBconv2d", "LceQuantize"]


def test_floats_that_somebody_else_reads_stay() -> None:
    made = bconv(pad_values=1)
    made.outputs.append(made.operators[0].output)
    write_bits(made)
    assert names(made) == ["LceBconv2d", "LceQuantize"]
