"""Which binarized layers of an artifact compute in floats all the same, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.rewriting.constants import value
from converters.rewriting.convolutions import StaysFloat, binary_convolution
from converters.rewriting.graph import Graph, Operator, Tensor
from converters.rewriting.reading import read_model
from converters.rewriting.signs import sign_of

_INPUT, _WEIGHTS = 0, 1
_NOT_IN_LCE = {  # operators that multiply images with weights -> why there is no binary one, and the weights' channels
    "DEPTHWISE_CONV_2D": ("LCE has no depthwise convolution", -1),
    "FULLY_CONNECTED": ("LCE has no dense layer", 0),
    "TRANSPOSE_CONV": ("LCE has no transposed convolution", 0),
}
_IMAGES = {"TRANSPOSE_CONV": 2}  # its first input is the shape of the output


@dataclass(frozen=True, slots=True)
class FloatLayer:
    """A layer by its name, and why as half a sentence."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class BinarizedLayers:
    """How many layers of an artifact are binary, and those that could have been."""

    binary: int
    in_floats: tuple[FloatLayer, ...]


def binarized_layers(content: bytes) -> BinarizedLayers:
    """Of a flatbuffer with LCE's operators, whoever made it. A layer counts that takes signs or has weights of ±m."""
    graphs = read_model(content).graphs
    operators = [(graph, operator) for graph in graphs for operator in graph.operators]
    return BinarizedLayers(
        binary=sum(operator.name == "LceBconv2d" for _, operator in operators),
        in_floats=tuple(
            FloatLayer(_layer(graph, operator), _reason(graph, operator))
            for graph, operator in operators
            if _is_binarized(graph, operator)
        ),
    )


def _layer(graph: Graph, operator: Operator) -> str:
    """The output's name; an output of the whole model says nothing, so that of what comes in."""
    return _images(operator).name if operator.output in graph.outputs else operator.output.name


def _images(operator: Operator) -> Tensor:
    return operator.input(_IMAGES.get(operator.name, _INPUT))


def _is_binarized(graph: Graph, operator: Operator) -> bool:
    if operator.name != "CONV_2D" and operator.name not in _NOT_IN_LCE:
        return False
    return _has_binary_weights(operator) or sign_of(graph, _images(operator)) is not None


def _has_binary_weights(operator: Operator) -> bool:
    """Whether the weights of each channel are +m and -m; of one weight that says nothing."""
    weights = value(operator.inputs[_WEIGHTS])
    if weights is None or weights.dtype != np.float32:
        return False
    _, channel_axis = _NOT_IN_LCE.get(operator.name, ("", 0))
    sizes = np.moveaxis(np.abs(weights), channel_axis, 0).reshape(weights.shape[channel_axis], -1)
    return sizes.shape[1] > 1 and bool(sizes.any() and np.all(sizes == sizes[:, :1]))


def _reason(graph: Graph, operator: Operator) -> str:
    if operator.name in _NOT_IN_LCE:
        return _NOT_IN_LCE[operator.name][0]
    try:
        binary_convolution(graph, operator)
    except StaysFloat as reason:
        return str(reason)
    return "its converter did not recognise it"
