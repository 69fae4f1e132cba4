"""A flatbuffer as objects that point at each other, so that a rewrite moves objects and no index ever changes.

What nobody points at any more is not written: tensors, buffers and operator codes need no sweeping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@dataclass(eq=False, slots=True)
class Tensor:
    """An activation, or a constant where `data` is its bytes. Two tensors are equal only if they are one object.

    type          the schema's name of the element type, such as FLOAT32.
    quantization  the schema's object with range, scales and zero points; None for none.
    written       the schema's object that it was read from, for what a rewrite does not touch; None for a new one.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    data: Bytes | None = None
    quantization: Any = None
    written: Any = None


@dataclass(eq=False, slots=True)
class Operator:
    """One step of a graph.

    name     CONV_2D for a builtin operator, LceBconv2d for a custom one.
    inputs   None where an optional input is left out.
    options  the schema's object of a builtin operator, or the integers of one of LCE's by name.
    written  the schema's object that it was read from; None for a new one.
    """

    name: str
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: Any = None
    version: int = 1
    custom: bool = False
    written: Any = None

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    def input(self, position: int) -> Tensor:
        """An input that must be there."""
        tensor = self.inputs[position]
        assert tensor is not None, f"{self.name} without input {position}"
        return tensor


@dataclass(eq=False, slots=True)
class Graph:
    """Operators in the order in which they run, and who writes and reads each tensor."""

    name: bytes
    operators: list[Operator]
    inputs: list[Tensor]
    outputs: list[Tensor]
    _writer: dict[Tensor, Operator] = field(default_factory=dict)
    _readers: dict[Tensor, list[Operator]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index()

    def writer(self, tensor: Tensor) -> Operator | None:
        """The operator whose result the tensor is; None for constants and the graph's inputs."""
        return self._writer.get(tensor)

    def written_by(self, tensor: Tensor, *names: str) -> Operator | None:
        """Its writer, if that has one of these names."""
        writer = self.writer(tensor)
        return writer if writer is not None and writer.name in names else None

    def readers(self, tensor: Tensor) -> Sequence[Operator]:
        return self._readers.get(tensor, ())

    def only_reader(self, tensor: Tensor) -> Operator | None:
        """The one operator that reads the tensor, if it reads it once and the tensor is no output of the graph."""
        readers = self.readers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def replace(self, old: Sequence[Operator], new: Sequence[Operator]) -> None:
        """New operators stand where the last of the old ones stood: there, all that they read is computed."""
        last = max(self.operators.index(operator) for operator in old)
        self.operators[last + 1 : last + 1] = new
        self.operators = [operator for operator in self.operators if operator not in old]
        self._index()

    def insert_behind(self, tensor: Tensor, new: Operator) -> None:
        """As soon as the tensor is computed, so that every later operator can share the result."""
        writer = self.writer(tensor)
        self.operators.insert(0 if writer is None else self.operators.index(writer) + 1, new)
        self._index()

    def remove_unread(self) -> None:
        """Without the operators whose results nobody reads, and those that only they read."""
        read = set(self.outputs)
        kept: list[Operator] = []
        for operator in reversed(self.operators):
            if not operator.outputs or not read.isdisjoint(operator.outputs):
                kept.append(operator)
                read |= {tensor for tensor in operator.inputs if tensor is not None}
        self.operators = kept[::-1]
        self._index()

    def _index(self) -> None:
        self._writer = {tensor: operator for operator in self.operators for tensor in operator.outputs}
        self._readers = {}
        for operator in self.operators:
            for tensor in operator.inputs:
                if tensor is not None:
                    self._readers.setdefault(tensor, []).append(operator)


@dataclass(slots=True)
class Signature:
    """Names for inputs and outputs of a graph."""

    key: bytes
    graph: int
    inputs: list[tuple[bytes, Tensor]]
    outputs: list[tuple[bytes, Tensor]]


@dataclass(slots=True)
class Model:
    """All graphs of a flatbuffer; operators such as WHILE refer to the others by their position."""

    graphs: list[Graph]
    signatures: list[Signature]


def constant(values: NDArray[Any], *, name: str = "") -> Tensor:
    """A new constant of float32, int32 or bool."""
    types = {"float32": "FLOAT32", "int32": "INT32", "bool": "BOOL", "int64": "INT64"}
    little_endian = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    data = little_endian.reshape(-1).view(np.uint8)
    return Tensor(name=name, shape=values.shape, type=types[values.dtype.name], data=data)
