"""A `Model` as a flatbuffer whose bytes depend on the graph alone.

Tensors, buffers and operator codes are numbered as they are met, equal constants are stored once, and nothing says
which version of TensorFlow made the float model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from copy import copy
from typing import Any

import numpy as np

from converters import schema
from converters.rewriting.graph import Graph, Model, Operator, Signature, Tensor

SCHEMA_VERSION = 3
CUSTOM = "CUSTOM"


def write_model(model: Model) -> bytes:
    objects = schema.objects()
    codes, buffers = _Numbers(_operator_code), _Numbers(_buffer)
    buffers.of(b"")  # by convention the first one is empty: activations have it
    tensors = [_Numbers(lambda tensor: _tensor(tensor, buffers)) for _ in model.graphs]
    graphs = [_graph(graph, numbers, codes) for graph, numbers in zip(model.graphs, tensors)]
    signatures = [_signature(signature, tensors[signature.graph]) for signature in model.signatures]
    written = objects.ModelT()
    written.version = SCHEMA_VERSION
    written.description = "bitlens"
    written.operatorCodes, written.subgraphs, written.buffers = codes.made, graphs, buffers.made
    written.signatureDefs = signatures or None
    return schema.write(written)


class _Numbers:
    """Things by number, in the order in which they are first asked for; `made` are their schema's objects."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self._numbers: dict[Hashable, int] = {}
        self.made: list[Any] = []

    def of(self, thing: Hashable) -> int:
        if thing not in self._numbers:
            self._numbers[thing] = len(self.made)
            self.made.append(self._make(thing))
        return self._numbers[thing]

    def all_of(self, things: Iterable[Hashable | None]) -> Any:
        return np.array([-1 if thing is None else self.of(thing) for thing in things], np.int32)


def _operator_code(code: tuple[str, bool, int]) -> Any:
    name, custom, version = code
    written = schema.objects().OperatorCodeT()
    written.builtinCode = schema.builtin_number(CUSTOM if custom else name)
    written.deprecatedBuiltinCode = min(written.builtinCode, 127)
    written.customCode = name if custom else None
    written.version = version
    return written


def _buffer(data: bytes) -> Any:
    written = schema.objects().BufferT()
    written.data = data or None
    return written


def _tensor(tensor: Tensor, buffers: _Numbers) -> Any:
    written = copy(tensor.written) if tensor.written is not None else schema.objects().TensorT()
    written.name = tensor.name if tensor.data is None else ""
    written.shape = np.array(tensor.shape, np.int32)
    written.type = schema.type_number(tensor.type)
    written.quantization = tensor.quantization
    written.buffer = buffers.of(b"" if tensor.data is None else tensor.data.tobytes())
    written.hasRank = True
    return written


def _graph(graph: Graph, tensors: _Numbers, codes: _Numbers) -> Any:
    written = schema.objects().SubGraphT()
    written.name = graph.name
    written.inputs = tensors.all_of(graph.inputs)
    written.operators = [_operator(operator, tensors, codes) for operator in graph.operators]
    written.outputs = tensors.all_of(graph.outputs)
    written.tensors = tensors.made
    return written


def _operator(operator: Operator, tensors: _Numbers, codes: _Numbers) -> Any:
    written = copy(operator.written) if operator.written is not None else schema.objects().OperatorT()
    written.opcodeIndex = codes.of((operator.name, operator.custom, operator.version))
    written.inputs = tensors.all_of(operator.inputs)
    written.outputs = tensors.all_of(operator.outputs)
    if operator.custom and operator.written is None and operator.options:
        written.customOptions = _flexbuffer(operator.options)
    return written


def _flexbuffer(options: dict[str, int]) -> Any:
    """A map of integers, sorted by name, as LCE writes it."""
    from flatbuffers import flexbuffers  # type: ignore[import-untyped]

    builder = flexbuffers.Builder()
    with builder.Map():
        for name in sorted(options):
            builder.Key(name)
            builder.Int(int(options[name]))
    return np.frombuffer(bytes(builder.Finish()), np.uint8)


def _signature(signature: Signature, tensors: _Numbers) -> Any:
    written = schema.objects().SignatureDefT()
    written.signatureKey, written.subgraphIndex = signature.key, signature.graph
    written.inputs = [_signature_end(name, tensors.of(tensor)) for name, tensor in signature.inputs]
    written.outputs = [_signature_end(name, tensors.of(tensor)) for name, tensor in signature.outputs]
    return written


def _signature_end(name: bytes, tensor: int) -> Any:
    written = schema.objects().TensorMapT()
    written.name, written.tensorIndex = name, tensor
    return written
