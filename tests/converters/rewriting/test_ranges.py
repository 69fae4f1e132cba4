"""Which activations get which range."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from converters.rewriting.ranges import DEFAULT_RANGE, give_default_ranges, use_trained_ranges
from tests.converters.rewriting.graphs import activation, floats, graph, step


def test_float_activations_get_the_default_range_and_constants_and_bits_none() -> None:
    image, constant = activation(1, 4), floats(1, 2, 3, 4)
    addition = step("ADD", image, constant)
    bits = step("LceQuantize", addition.output, like=activation(1, 1, type="INT32"))
    give_default_ranges(graph(image, [addition, bits]))
    for tensor in (image, addition.output):
        assert (tensor.quantization.min, tensor.quantization.max) == ([DEFAULT_RANGE[0]], [DEFAULT_RANGE[1]])
    assert constant.quantization is None
    assert bits.output.quantization is None


def test_floats_of_a_binary_convolution_get_no_range() -> None:
    bits = activation(1, 4, 4, 1, type="INT32")
    convolution = step("LceBconv2d", bits, like=activation(1, 4, 4, 32))
    addition = step("ADD", convolution.output, floats(1))
    give_default_ranges(graph(bits, [convolution, addition]))
    assert convolution.output.quantization is None
    assert addition.output.quantization is not None


def test_fake_quantization_moves_from_uint8_to_int8_and_means_the_same_numbers() -> None:
    image = activation(1, 4)
    there = step("QUANTIZE", image, like=activation(1, 4, type="UINT8"))
    there.output.quantization = SimpleNamespace(scale=[0.5], zeroPoint=np.array([3]))
    back = step("DEQUANTIZE", there.output, like=image)
    use_trained_ranges(graph(image, [there, back]))
    assert there.output.type == "INT8"
    assert there.output.quantization.scale == [0.5]
    assert there.output.quantization.zeroPoint == [3 - 128]
