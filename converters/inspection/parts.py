"""The parts of a flatbuffer: graphs of operators and tensors, constants and signatures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

BITS = {
    "FLOAT64": 64, "INT64": 64, "UINT64": 64, "FLOAT32": 32, "INT32": 32, "UINT32": 32, "FLOAT16": 16, "BFLOAT16": 16,
    "INT16": 16, "UINT16": 16, "INT8": 8, "UINT8": 8, "BOOL": 8, "INT4": 4, "UINT4": 4, "INT2": 2, "COMPLEX64": 64,
    "COMPLEX128": 128, "FLOAT8_E4M3FN": 8, "FLOAT8_E5M2": 8,
}  # fmt: skip
# The options that name the graphs which an operator runs.
_CALLS = (
    *("condSubgraphIndex", "bodySubgraphIndex", "thenSubgraphIndex", "elseSubgraphIndex", "subgraph"),
    *("decompositionSubgraphIndex", "comparatorSubgraphIndex", "updateComputationSubgraphIndex"),
    *("initSubgraphIndex", "branchSubgraphIndices", "calledComputations"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Bytes that a file brings. Tensors with one `place` share them.

    data  the bytes, or None where they lie in another file.
    """

    place: tuple[str, int]
    size: int
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a graph.

    shape      as it is stored: an axis of any length is stored with some length, mostly 1.
    free_axes  the axes of any length.
    scales     one for all, one per channel of `axis`, or none: not quantized.
    sparse     whether only the numbers that are not 0 are stored.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    free_axes: tuple[int, ...]
    type: str
    scales: tuple[float, ...]
    zero_point: int
    axis: int
    constant: Constant | None
    variable: bool
    sparse: bool

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def stored_elements(self) -> int:
        """Numbers that a constant stores: those of its shape, or the fewer of a sparse one."""
        bits = BITS.get(self.type, 0)
        if self.sparse and self.constant is not None and bits:
            return min(self.elements, self.constant.size * 8 // bits)
        return self.elements

    @property
    def bytes(self) -> int | None:
        """What it takes in memory; None for a type whose size is not known before it is written, such as STRING."""
        return math.ceil(self.elements * BITS[self.type] / 8) if self.type in BITS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator. A builtin one that is newer than the schema is called BUILTINOPERATOR_<number>; inputs left out are
    None."""

    name: str
    number: int
    version: int
    custom: bool
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: dict[str, Any]

    def input(self, position: int) -> Tensor | None:
        """An input, None where it is left out or the list ends before it."""
        return self.inputs[position] if position < len(self.inputs) else None

    def needed(self, position: int) -> Tensor:
        """An input without which the operator makes no sense. Raises LookupError."""
        tensor = self.input(position)
        if tensor is None:
            raise LookupError(f"its operator {self.name} has no input {position}")
        return tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A name by which a graph is called, and the names of its inputs and outputs."""

    name: str
    graph: int
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """`graphs[0]` is the main one, which runs when nobody names a signature."""

    description: str
    graphs: tuple[Graph, ...]
    signatures: tuple[Signature, ...]
    metadata: tuple[str, ...]


def calls(operator: Operator) -> list[int]:
    """Numbers of the graphs that an operator runs."""
    found: list[int] = []
    for name in _CALLS:
        number = operator.options.get(name, -1)
        found += [number] if isinstance(number, int) else [int(one) for one in (() if number is None else number)]
    return [] if operator.custom else [number for number in found if number >= 0]
