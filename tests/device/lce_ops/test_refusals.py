"""What is malformed is refused in one sentence, and the process lives on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .conftest import Operators
from .graphs import Graph, conv_options, flexbuffer, pool_options


def conv_model(
    options: bytes,
    *,
    weights: tuple[int, ...] = (9, 3, 3, 2),
    dtype: str = "float32",
    scales: int = 9,
    image: tuple[int, ...] = (1, 6, 5, 2),
    constant: bool = True,
    quantization: tuple[float, int] | None = None,
    scale_dtype: str = "float32",
    drop: tuple[int, ...] = (),
) -> bytes:
    graph = Graph()
    source = graph.tensor(image, "int32")
    filters = graph.tensor(weights, "int32", np.zeros(weights) if constant else None)
    operands = [source, filters, *(graph.tensor([scales], scale_dtype, np.ones(scales)) for _ in range(2)), -1]
    operands = [-1 if i in drop else operand for i, operand in enumerate(operands)]
    target = graph.tensor((1, 6, 5, 9), dtype, quantization=quantization)
    graph.custom("LceBconv2d", operands, target, options)
    return graph.model([source] if constant else [source, filters], [target])


OPTIONS = conv_options(40)
GOOD = flexbuffer(OPTIONS)
TWO_GROUPS = flexbuffer(conv_options(64))
VALID = flexbuffer(conv_options(40, padding=1))


def changed(**options: Any) -> bytes:
    return conv_model(flexbuffer({**OPTIONS, **options}))


def without(key: str) -> bytes:
    return conv_model(flexbuffer({k: v for k, v in OPTIONS.items() if k != key}))


MALFORMED = {
    **{f"no {key}": (without(key), f"option {key} is missing") for key in OPTIONS},
    "padding 7": (changed(padding=7), "option padding: expected 0 to 1, got 7"),
    "pad_values 2": (changed(pad_values=2), "option pad_values: expected 0 to 1, got 2"),
    "stride 0": (changed(stride_height=0), "option stride_height: expected 1 to 2147483647, got 0"),
    "dilation -1": (changed(dilation_width_factor=-1), "expected 1 to 2147483647, got -1"),
    "huge dilation": (changed(dilation_width_factor=2**31 - 1), "overhangs the image too far"),
    "huge channels_in": (changed(channels_in=2**40), "option channels_in: expected 1 to 536870912"),
    "text": (changed(padding="SAME"), "an option is not an integer"),
    "other channels_in": (changed(channels_in=80), "does not hold channels_in bits"),
    "no options": (conv_model(b""), "not a well-formed FlexBuffers map"),
    "truncated": (conv_model(GOOD[:-1]), "FlexBuffers"),
    "odd groups": (conv_model(GOOD, weights=(9, 3, 3, 1)), "not a multiple of 32"),
    "indivisible groups": (conv_model(TWO_GROUPS, weights=(9, 3, 3, 1)), "output channels do not divide"),
    "weights of another depth": (conv_model(GOOD, weights=(9, 3, 3, 3)), "do not divide into groups"),
    "weights of rank 3": (conv_model(GOOD, weights=(9, 3, 2)), "four dimensions"),
    "image of rank 3": (conv_model(GOOD, image=(6, 5, 2)), "four dimensions"),
    "too few scales": (conv_model(GOOD, scales=8), "one per output channel"),
    "scales of int32": (conv_model(GOOD, scale_dtype="int32"), "constant float32"),
    "variable weights": (conv_model(GOOD, constant=False), "constant int32"),
    "no multiplier": (conv_model(GOOD, drop=(2,)), "needs a multiplier"),
    "no weights": (conv_model(GOOD, drop=(1,)), "missing"),
    "no thresholds": (conv_model(GOOD, dtype="int32"), "needs thresholds"),
    "bool output": (conv_model(GOOD, dtype="bool"), "must be float32, int8 or int32"),
    "int8 without scale": (conv_model(GOOD, dtype="int8"), "positive scale"),
    "filter larger than the image": (conv_model(VALID, image=(1, 2, 2, 2)), "larger than the image"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_convolution_is_refused(operators: Operators, name: str) -> None:
    model, sentence = MALFORMED[name]
    with pytest.raises((RuntimeError, ValueError), match=r"LceBconv2d \(node 0\): .*" + sentence.replace("(", r"\(")):
        operators.interpreter(model)


def test_a_pool_larger_than_the_image_is_refused(operators: Operators) -> None:
    graph = Graph()
    source, target = graph.tensor((1, 2, 2, 1), "int32"), graph.tensor((1, 1, 1, 1), "int32")
    graph.custom("LceBMaxPool2d", [source], target, flexbuffer(pool_options((3, 3), (1, 1), same=False)))
    with pytest.raises(RuntimeError, match=r"LceBMaxPool2d \(node 0\): the filter is larger than the image"):
        operators.interpreter(graph.model([source], [target]))


def test_a_dequantize_of_other_channels_is_refused(operators: Operators) -> None:
    graph = Graph()
    source, target = graph.tensor((1, 2, 2, 1), "int32"), graph.tensor((1, 2, 2, 64), "float32")
    graph.custom("LceDequantize", [source], target)
    with pytest.raises(RuntimeError, match=r"LceDequantize \(node 0\): the input's words do not match"):
        operators.interpreter(graph.model([source], [target]))


def test_other_custom_operators_stay_with_the_runtime(operators: Operators) -> None:
    graph = Graph()
    source, target = graph.tensor((1, 4), "float32"), graph.tensor((1, 4), "float32")
    graph.custom("SomebodyElses", [source], target)
    with pytest.raises(RuntimeError, match="SomebodyElses"):
        operators.interpreter(graph.model([source], [target]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kernel": "mmx"}, "option kernel: expected one of auto, .*portable on this CPU, got mmx"),
        ({"num_threads": "many"}, "option num_threads: expected a number from 0 to 64, got many"),
        ({"num_threads": -1}, "option num_threads: expected a number from 0 to 64, got -1"),
        ({"fuse": 2}, "option fuse: expected a number from 0 to 1, got 2"),
        ({"threads": 2}, "option threads: expected one of kernel, num_threads, fuse, xnnpack, floats, trace"),
        ({"trace": "yes"}, "option trace: expected a number from 0 to 1, got yes"),
    ],
)
def test_an_unknown_option_is_refused(operators: Operators, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"LceOperators: {sentence}"):
        operators.delegate(**options)
