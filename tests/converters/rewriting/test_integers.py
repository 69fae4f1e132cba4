"""LCE's operators take the place of the conversions around them."""

from __future__ import annotations

from converters.rewriting.graph import Graph, Operator, Tensor
from converters.rewriting.integers import read_integers, write_integers
from tests.converters.rewriting.graphs import activation, graph, names, step


def int8(*shape: int) -> Tensor:
    return activation(*shape, type="INT8")


def signs_of_dequantized() -> tuple[Tensor, Operator, Operator]:
    integers = int8(1, 4, 4, 32)
    floats = step("DEQUANTIZE", integers, like=activation(1, 4, 4, 32))
    return integers, floats, step("LceQuantize", floats.output, like=activation(1, 4, 4, 1, type="INT32"))


def test_sign_reads_integers_and_the_conversion_leaves() -> None:
    integers, floats, sign = signs_of_dequantized()
    whole = graph(integers, [floats, sign])
    read_integers(whole)
    assert names(whole) == ["LceQuantize"]
    assert sign.inputs == [integers]


def test_conversion_that_others_read_too_stays_and_the_sign_still_reads_integers() -> None:
    integers, floats, sign = signs_of_dequantized()
    addition = step("ADD", floats.output, floats.output)
    whole = graph(integers, [floats, sign, addition], sign.output, addition.output)
    read_integers(whole)
    assert names(whole) == ["DEQUANTIZE", "LceQuantize", "ADD"]
    assert sign.inputs == [integers]


def test_sign_of_weights_in_half_precision_is_left_alone() -> None:
    halves = activation(1, 32, type="FLOAT16")
    floats = step("DEQUANTIZE", halves, like=activation(1, 32))
    sign = step("LceQuantize", floats.output, like=activation(1, 1, type="INT32"))
    read_integers(graph(halves, [floats, sign]))
    assert sign.inputs == [floats.output]


def convolution_then_integers(*further: str) -> tuple[Graph, Operator, Operator]:
    bits = activation(1, 4, 4, 1, type="INT32")
    convolution = step("LceBconv2d", bits, like=activation(1, 4, 4, 32))
    integers = step("QUANTIZE", convolution.output, like=int8(1, 4, 4, 32))
    others = [step(name, convolution.output) for name in further]
    outputs = [integers.output, *(operator.output for operator in others)]
    return graph(bits, [convolution, integers, *others], *outputs), convolution, integers


def test_convolution_writes_integers_itself() -> None:
    whole, convolution, integers = convolution_then_integers()
    write_integers(whole)
    assert names(whole) == ["LceBconv2d"]
    assert convolution.outputs == integers.outputs
    assert whole.writer(integers.output) is convolution


def test_convolution_whose_floats_are_read_too_writes_floats() -> None:
    whole, convolution, _ = convolution_then_integers("RELU")
    write_integers(whole)
    assert names(whole) == ["LceBconv2d", "QUANTIZE", "RELU"]
    assert convolution.output.type == "FLOAT32"
