"""Multiply-accumulates of one operator: convolutions, matrix products and recurrent layers have them.

Additions, poolings, activations, look-ups and whatever else works number by number have none, by definition. What
cannot be told is None, never 0: operators that are newer than this table, and other people's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from converters.inspection.parts import Operator, Tensor

BINARY, INT8, INT16, FLOAT, OTHER = "binary", "int8", "int16", "float", "other"
ARITHMETIC = (BINARY, INT8, INT16, FLOAT, OTHER)
BINARY_CONVOLUTION = "LceBconv2d"
BITS_PER_WORD = 32  # LCE packs the signs of 32 channels into one int32
NEWEST_BUILTIN = 209  # STABLEHLO_CASE: all builtin operators up to it were looked at for the tables below
_SMALL = {"INT8", "UINT8", "INT4", "UINT4", "INT2"}  # kernels widen the smaller ones to int8
_FLOATS = {"FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16", "FLOAT8_E4M3FN", "FLOAT8_E5M2"}


def multiplications(operator: Operator) -> int | None:
    """Of one execution, at the stored shapes; None where it cannot be told. Raises LookupError."""
    if operator.name in _RULES:
        if _is_open(operator):
            return None
        count = _RULES[operator.name](operator)
        weights = _weights(operator)
        if weights is not None and weights.sparse and weights.elements:
            return count * weights.stored_elements // weights.elements
        return count
    if operator.custom:
        return 0 if operator.name in _CUSTOM_WITHOUT else None
    return None if operator.number > NEWEST_BUILTIN or operator.name in _UNTOLD else 0


def arithmetic(operator: Operator) -> str:
    """How it multiplies: by its weights, and by its activations where these are int16."""
    if operator.name == BINARY_CONVOLUTION:
        return BINARY
    weights, images = _weights(operator), operator.input(2 if operator.name in _IMAGES_LAST else 0)
    kinds = {tensor.type for tensor in (weights, images) if tensor is not None}
    if weights is not None and weights.type in _FLOATS:
        return FLOAT
    if kinds <= _SMALL | _FLOATS:
        return INT8
    return INT16 if kinds <= _SMALL | {"INT16"} else OTHER


def binary_weights(operator: Operator) -> int:
    """Number of ±1 weights: channels are padded to whole words, and in a grouped convolution only a group's count."""
    filters, height, width, words = operator.needed(1).shape
    channels = min(int(operator.options["channels_in"]), words * BITS_PER_WORD)
    return filters * height * width * channels


def _is_open(operator: Operator) -> bool:
    """Whether a tensor whose shape counts has an axis of any length: what is stored for it means nothing."""
    tensors = [tensor for tensor in (*operator.inputs, *operator.outputs) if tensor is not None]
    return any(tensor.free_axes for tensor in tensors)


# ------------------------------------------------------------------------------------------------------------ rules
def _convolution(operator: Operator) -> int:
    return operator.outputs[0].elements * math.prod(operator.needed(1).shape[1:])


def _depthwise(operator: Operator) -> int:
    _, height, width, _ = operator.needed(1).shape
    return operator.outputs[0].elements * height * width


def _fully_connected(operator: Operator) -> int:
    return operator.outputs[0].elements * operator.needed(1).shape[1]


def _transposed_convolution(operator: Operator) -> int:
    """Its inputs are the output's shape, the weights (O, H, W, I) and the images."""
    return operator.needed(2).elements * math.prod(operator.needed(1).shape[:3])


def _convolution_3d(operator: Operator) -> int:
    """Weights (D, H, W, I, O)."""
    return operator.outputs[0].elements * math.prod(operator.needed(1).shape[:4])


def _transposed_convolution_3d(operator: Operator) -> int:
    """Its inputs are the output's shape, the weights (D, H, W, O, I) and the volumes."""
    return operator.needed(2).elements * math.prod(operator.needed(1).shape[:4])


def _matrix_product(operator: Operator) -> int:
    inner = -2 if operator.options.get("adjX") else -1
    return operator.outputs[0].elements * operator.needed(0).shape[inner]


def _binary_convolution(operator: Operator) -> int:
    return math.prod(operator.outputs[0].shape[:3]) * binary_weights(operator)


def _recurrent(*positions: int, steps: bool) -> Callable[[Operator], int]:
    """Every weight at these inputs once for each sequence and, for `steps`, each time step."""

    def count(operator: Operator) -> int:
        return math.prod(operator.needed(0).shape[: 2 if steps else 1]) * _sizes(operator, positions)

    return count


def _sizes(operator: Operator, positions: Iterable[int]) -> int:
    tensors = (operator.input(position) for position in positions)
    return sum(tensor.elements for tensor in tensors if tensor is not None)


# The kernels' inputs: weights of input, recurrent weights and peepholes of the four gates, and the projection
_LSTM = (*range(1, 12), 16)
_BIDIRECTIONAL_LSTM = (*range(1, 12), 16, *range(18, 29), 33, *range(40, 48))
_BASIC_LSTM_INPUTS = 5  # input, activation, weights, biases, state


def _lstm(operator: Operator) -> int:
    return _recurrent(*((2,) if _is_basic_lstm(operator) else _LSTM), steps=False)(operator)


def _is_basic_lstm(operator: Operator) -> bool:
    return operator.name == "LSTM" and len(operator.inputs) == _BASIC_LSTM_INPUTS


_RULES: dict[str, Callable[[Operator], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transposed_convolution,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_convolution_3d,
    "BATCH_MATMUL": _matrix_product,
    "LSTM": _lstm,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent(*_LSTM, steps=True),
    "BIDIRECTIONAL_SEQUENCE_LSTM": _recurrent(*_BIDIRECTIONAL_LSTM, steps=True),
    "RNN": _recurrent(1, 2, steps=False),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent(1, 2, steps=True),
    "BIDIRECTIONAL_SEQUENCE_RNN": _recurrent(1, 2, 5, 6, 10, 11, steps=True),
    "SVDF": _recurrent(1, 2, steps=False),
    BINARY_CONVOLUTION: _binary_convolution,
}
_IMAGES_LAST = ("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE")


def _weights(operator: Operator) -> Tensor | None:
    """Gates may be left out: the first weights that there are."""
    positions = (2,) if _is_basic_lstm(operator) else (1, 2, 3, 4)
    found = (operator.input(position) for position in positions)
    return next((tensor for tensor in found if tensor is not None), None)


# Builtin operators that multiply, in a way that their shapes alone do not tell.
_UNTOLD = {
    "CONCAT_EMBEDDINGS", "DELEGATE", "EMBEDDING_LOOKUP_SPARSE", "LSH_PROJECTION", "RFFT2D", "STABLEHLO_CONVOLUTION",
    "STABLEHLO_CUSTOM_CALL", "STABLEHLO_DOT_GENERAL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUSTOM",
}  # fmt: skip
# Other custom operators that are known to have none.
_CUSTOM_WITHOUT = {
    "LceBMaxPool2d", "LceDequantize", "LceQuantize", "MaxPoolingWithArgmax2D", "MaxUnpooling2D", "NumericVerify",
    "TFLite_Detection_PostProcess",
}  # fmt: skip
