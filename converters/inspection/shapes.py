"""Axes of any length: which stored shapes hold all the same, and what shapes become when a runtime has worked them out.

A model that takes any number of images stores 1 for that number. That 1 holds for a tensor behind the input when each
operator in between hands the number of images on as it is; of other free axes, what is stored means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from converters.inspection.parts import File, Graph, Operator, Tensor, calls

Shapes = Mapping[int, Mapping[int, tuple[int, ...]]]  # by graph and tensor

# What these write has as many images as what they read.
_KEEP_IMAGES = {
    "ABS", "ADD", "ADD_N", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN", "CAST", "CEIL", "CONV_2D", "CONV_3D", "CONV_3D_TRANSPOSE", "COS", "CUMSUM",
    "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "DIV", "ELU", "EQUAL", "EXP", "FAKE_QUANT", "FLOOR",
    "FLOOR_DIV", "FLOOR_MOD", "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "L2_NORMALIZATION", "L2_POOL_2D",
    "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOCAL_RESPONSE_NORMALIZATION", "LOG", "LOGICAL_AND", "LOGICAL_NOT",
    "LOGICAL_OR", "LOGISTIC", "LOG_SOFTMAX", "LSTM", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "NEG",
    "NOT_EQUAL", "ONE_HOT", "POW", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RELU", "RELU6",
    "RELU_0_TO_1", "RELU_N1_TO_1", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RNN", "ROUND", "RSQRT", "SELECT",
    "SELECT_V2", "SIGN", "SIN", "SOFTMAX", "SPACE_TO_DEPTH", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "SUM",
    "SVDF", "TANH", "TOPK_V2", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN",
    "ZEROS_LIKE", "LceBMaxPool2d", "LceBconv2d", "LceDequantize", "LceQuantize",
}  # fmt: skip
# What these write has as many numbers as what they read, which leaves one length for the one free axis.
_KEEP_NUMBERS = {"EXPAND_DIMS", "FULLY_CONNECTED", "RESHAPE", "SQUEEZE", "TRANSPOSE"}


def for_stored_images(file: File) -> File:
    """The file as it is for the stored number of images: free axes are fixed wherever that number holds."""
    called = {number for graph in file.graphs for operator in graph.operators for number in calls(operator)}
    fixed = ((graph, {} if number in called else _that_hold(graph)) for number, graph in enumerate(file.graphs))
    return replace(file, graphs=tuple(_with_shapes(graph, shapes) for graph, shapes in fixed))


def with_shapes(file: File, shapes: Shapes) -> File:
    """The file with the shapes of those tensors, which are then fixed."""
    return replace(
        file, graphs=tuple(_with_shapes(graph, shapes.get(number, {})) for number, graph in enumerate(file.graphs))
    )


def _that_hold(graph: Graph) -> dict[int, tuple[int, ...]]:
    """Shapes for the stored number of images, by tensor: those that follow from it and from nothing else."""
    hold = {tensor.index: tensor.shape for tensor in graph.tensors if not tensor.free_axes}
    hold |= {tensor.index: tensor.shape for tensor in graph.inputs if tensor.free_axes == (0,)}
    for operator in graph.operators:
        if all(tensor is None or tensor.index in hold for tensor in operator.inputs):
            for out in operator.outputs:
                count = _count(operator, out, hold) if out.free_axes == (0,) else None
                if count is not None:
                    hold[out.index] = (count, *out.shape[1:])
    return hold


def _count(operator: Operator, out: Tensor, hold: Mapping[int, tuple[int, ...]]) -> int | None:
    """How long the first axis of an output is, which is its one free axis; None where that is not certain."""
    free = [tensor for tensor in operator.inputs if tensor is not None and tensor.free_axes]
    counts = {hold[tensor.index][0] for tensor in free if tensor.free_axes == (0,)}
    if len(counts) != 1 or any(tensor.free_axes != (0,) for tensor in free):
        return None
    (count,) = counts
    if operator.name in _KEEP_NUMBERS:
        whole, rest = _numbers(operator, hold[free[0].index]), math.prod(out.shape[1:])
        return whole // rest if rest and whole % rest == 0 else None
    if operator.name in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"):
        sizes = _numbers_of(operator.needed(1))
        blocks = math.prod(sizes)
        if not sizes or blocks < 1:
            return None
        return count * blocks if operator.name == "SPACE_TO_BATCH_ND" else count // blocks
    return count if operator.name in _KEEP_IMAGES or _leaves_images_alone(operator, free[0]) else None


def _numbers(operator: Operator, shape: tuple[int, ...]) -> int:
    """How many an operator writes that keeps them, or exchanges rows of `depth` for rows of `units`."""
    if operator.name != "FULLY_CONNECTED":
        return math.prod(shape)
    units, depth = operator.needed(1).shape
    return math.prod(shape) // depth * units if depth else 0


def _leaves_images_alone(operator: Operator, images: Tensor) -> bool:
    """Operators that may change any axis, where they leave the first as it is."""
    options, rank = operator.options, len(images.shape)
    if operator.name in ("CONCATENATION", "PACK", "UNPACK"):
        return int(options.get("axis", 0)) % rank != 0
    if operator.name == "SPLIT":
        return _numbers_of(operator.needed(0)) not in ([], [0], [-rank])
    if operator.name in ("PAD", "PADV2", "MIRROR_PAD"):
        return _numbers_of(operator.needed(1))[:2] == [0, 0]
    if operator.name == "STRIDED_SLICE":
        return bool(options.get("beginMask", 0) & options.get("endMask", 0) & 1)
    return False


def _numbers_of(tensor: Tensor) -> list[int]:
    """Of a constant of whole numbers; none where they are not in this file."""
    if tensor.constant is None or tensor.constant.data is None or tensor.type not in ("INT32", "INT64"):
        return []
    return list(map(int, np.frombuffer(bytes(tensor.constant.data), f"<i{4 if tensor.type == 'INT32' else 8}")))


def _with_shapes(graph: Graph, shapes: Mapping[int, tuple[int, ...]]) -> Graph:
    tensors = tuple(
        replace(tensor, shape=shapes[tensor.index], free_axes=()) if tensor.index in shapes else tensor
        for tensor in graph.tensors
    )

    def own(tensor: Tensor) -> Tensor:
        return tensors[tensor.index]

    return replace(
        graph,
        tensors=tensors,
        inputs=tuple(map(own, graph.inputs)),
        outputs=tuple(map(own, graph.outputs)),
        operators=tuple(
            replace(
                operator,
                inputs=tuple(None if tensor is None else own(tensor) for tensor in operator.inputs),
                outputs=tuple(map(own, operator.outputs)),
            )
            for operator in graph.operators
        ),
    )
