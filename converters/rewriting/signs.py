"""How binarized activations look in the stock flatbuffer, and LceQuantize for them.

Larq's quantizers are written as sign(sign(x) + 0.1), which is +1 at zero, or as where(condition, 1, -1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.rewriting.constants import scalar, value
from converters.rewriting.graph import Graph, Operator, Tensor
from converters.rewriting.packing import words

_SAME_SIGNS = ("RESHAPE", "TRANSPOSE", "CONCATENATION", "MAX_POOL_2D", "SLICE", "STRIDED_SLICE", "SPLIT", "PACK")
_NO_ACTIVATION = 0


@dataclass(frozen=True, slots=True)
class Sign:
    """A tensor of +1 and -1 is the sign of `source`: of floats, sign(0) = +1; of a bool, +1 for true.

    negated  it is the other way round: -1 for true.
    """

    source: Tensor
    negated: bool = False


def sign_of(graph: Graph, tensor: Tensor) -> Sign | None:
    """What the tensor is the sign of, if it is one."""
    writer = graph.writer(tensor)
    if writer is None or tensor.type != "FLOAT32":
        return None
    if writer.name == "SIGN":
        return _rounded_sign(graph, writer)
    if writer.name in ("SELECT", "SELECT_V2"):
        return _selected_sign(graph, writer)
    return Sign(tensor) if _holds_signs(graph, writer) else None


def _rounded_sign(graph: Graph, outer: Operator) -> Sign | None:
    """sign(sign(x) + c) with 0 < c < 1."""
    addition = graph.written_by(outer.input(0), "ADD")
    if addition is None or addition.options.fusedActivationFunction != _NO_ACTIVATION:
        return None
    for inner, added in (addition.inputs, addition.inputs[::-1]):
        shift = scalar(added)
        if inner is not None and shift is not None and 0 < shift < 1:
            sign = graph.written_by(inner, "SIGN")
            return None if sign is None else Sign(sign.input(0))
    return None


def _selected_sign(graph: Graph, selection: Operator) -> Sign | None:
    """where(condition, 1, -1) or where(condition, -1, 1); x >= 0 and x < 0 are the float sign itself."""
    condition, if_true, if_false = selection.input(0), value(selection.inputs[1]), value(selection.inputs[2])
    if if_true is None or if_false is None or condition.shape != selection.output.shape:
        return None
    positive = bool(np.all(if_true == 1) and np.all(if_false == -1))
    negative = bool(np.all(if_true == -1) and np.all(if_false == 1))
    if not positive and not negative:
        return None
    comparison = graph.written_by(condition, "GREATER_EQUAL" if positive else "LESS")
    if comparison is not None and scalar(comparison.inputs[1]) == 0 and comparison.input(0).type == "FLOAT32":
        return Sign(comparison.input(0))
    return Sign(condition, negated=negative)


def _holds_signs(graph: Graph, writer: Operator) -> bool:
    """Whether the operator moves +1 and -1 about and adds nothing else; their sign is then themselves."""
    if writer.name == "LceDequantize":
        return True
    if writer.name == "PADV2":
        return scalar(writer.inputs[2]) in (1.0, -1.0) and sign_of(graph, writer.input(0)) is not None
    if writer.name not in _SAME_SIGNS or getattr(writer.options, "fusedActivationFunction", 0) != _NO_ACTIVATION:
        return False
    moved = [tensor for tensor in writer.inputs if tensor is not None and tensor.type == "FLOAT32"]
    return bool(moved) and all(sign_of(graph, tensor) is not None for tensor in moved)


def quantized(graph: Graph, sign: Sign) -> Tensor:
    """The packed bits of a sign. Everyone who asks for the same one gets the same tensor."""
    source = _inverted(graph, sign.source) if sign.negated else sign.source
    there = next((reader.output for reader in graph.readers(source) if reader.name == "LceQuantize"), None)
    if there is not None:
        return there
    bits = Tensor(name=source.name, shape=(*source.shape[:-1], words(source.shape[-1])), type="INT32")
    graph.insert_behind(source, Operator("LceQuantize", [source], [bits], custom=True))
    return bits


def _inverted(graph: Graph, condition: Tensor) -> Tensor:
    there = next((reader.output for reader in graph.readers(condition) if reader.name == "LOGICAL_NOT"), None)
    if there is not None:
        return there
    inverse = Tensor(name=condition.name, shape=condition.shape, type="BOOL")
    graph.insert_behind(condition, Operator("LOGICAL_NOT", [condition], [inverse]))
    return inverse


def dequantize_signs(graph: Graph) -> None:
    """A sign that floats read is computed by LceQuantize and LceDequantize, which is one pass each and not three.

    It shares its bits with the binary convolutions that read the same sign.
    """
    for operator in list(graph.operators):
        sign = sign_of(graph, operator.output) if operator.name in ("SIGN", "SELECT", "SELECT_V2") else None
        if sign is not None and operator in graph.operators:
            bits = quantized(graph, sign)
            graph.replace([operator], [Operator("LceDequantize", [bits], [operator.output], custom=True)])
    graph.remove_unread()
