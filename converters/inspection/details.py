"""Every graph, signature and operator of a flatbuffer, with what each multiplies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from converters.bounded_schema import Mapped
from converters.contents import Contents, Tensor, damage_explained, shown, summary
from converters.inspection import parts
from converters.inspection.activations import activation_bytes
from converters.inspection.costs import Cost, Costs, total
from converters.inspection.kernels import lacking
from converters.inspection.macs import ARITHMETIC
from converters.inspection.parts import File, Graph, calls
from converters.inspection.reading import read_file
from converters.inspection.shapes import Shapes, for_stored_images, with_shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """One operator in its graph's order.

    inputs, outputs  names of tensors; an input that is left out is "".
    shape            of the first output, -1 for an axis of any length; None without outputs.
    macs             None where they cannot be told; share is the part of its graph's, None where that has no total.
    """

    index: int
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: tuple[int, ...] | None
    macs: int | None
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """All operators of one type in one graph."""

    operator: str
    count: int
    macs: int | None
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphDetails:
    """One graph.

    called_by  the operators that run it, as "WHILE of graph 0".
    by_type    the most expensive first.
    """

    index: int
    name: str
    called_by: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    macs: dict[str, int]
    macs_unknown: dict[str, int]
    arena_bytes: int | None
    by_type: tuple[TypeRow, ...]
    operators: tuple[OperatorRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureDetails:
    """A name by which a graph is called, and its ends by the names that callers use."""

    name: str
    graph: int
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """`lacking`: by runtime, the operators that it has no kernel for."""

    description: str
    metadata: tuple[str, ...]
    summary: Contents
    signatures: tuple[SignatureDetails, ...]
    graphs: tuple[GraphDetails, ...]
    lacking: dict[str, tuple[str, ...]]


def details(content: bytes | Mapped, shapes: Shapes | None = None) -> Details:
    """All that a flatbuffer says of itself; with shapes that a runtime worked out, of it at these shapes.

    Raises NotAnArtifact.
    """
    with damage_explained():
        file = with_shapes(read_file(content), shapes or {})
        fixed = for_stored_images(file)
        return Details(
            description=file.description,
            metadata=file.metadata,
            summary=summary(file),
            signatures=tuple(
                SignatureDetails(
                    name=signature.name,
                    graph=signature.graph,
                    inputs={name: shown(tensor) for name, tensor in signature.inputs.items()},
                    outputs={name: shown(tensor) for name, tensor in signature.outputs.items()},
                )
                for signature in file.signatures
            ),
            graphs=_graphs(file, fixed),
            lacking=lacking(file),
        )


def _graphs(file: File, fixed: File) -> tuple[GraphDetails, ...]:
    """Ends as the file has them, costs as they are where free axes are fixed."""
    costs, callers = Costs(fixed.graphs), _callers(file)
    return tuple(
        _graph(index, graph, tuple(callers[index]), costs.of_operators(index), activation_bytes(fixed.graphs, index))
        for index, graph in enumerate(file.graphs)
    )


def _graph(index: int, graph: Graph, callers: tuple[str, ...], costs: list[Cost], arena: int | None) -> GraphDetails:
    whole = total(costs)
    return GraphDetails(
        index=index,
        name=graph.name,
        called_by=callers,
        inputs=tuple(map(shown, graph.inputs)),
        outputs=tuple(map(shown, graph.outputs)),
        macs={kind: whole.macs[kind] for kind in ARITHMETIC},
        macs_unknown=dict(whole.unknown.most_common()),
        arena_bytes=arena,
        by_type=_by_type(graph, costs, whole),
        operators=tuple(
            OperatorRow(
                index=position,
                operator=operator.name,
                inputs=tuple("" if tensor is None else tensor.name for tensor in operator.inputs),
                outputs=tuple(tensor.name for tensor in operator.outputs),
                shape=_shape(operator.outputs[0]) if operator.outputs else None,
                macs=cost.exact,
                share=_share(cost, whole),
            )
            for position, (operator, cost) in enumerate(zip(graph.operators, costs))
        ),
    )


def _shape(tensor: parts.Tensor) -> tuple[int, ...]:
    end = shown(tensor)
    return end.shape_signature or end.shape


def _by_type(graph: Graph, costs: Iterable[Cost], whole: Cost) -> tuple[TypeRow, ...]:
    """Those that cannot be told come first, as any of them may be the most expensive."""
    of_type: dict[str, list[Cost]] = defaultdict(list)
    for operator, cost in zip(graph.operators, costs):
        of_type[operator.name].append(cost)
    rows = [(name, len(parts), total(parts)) for name, parts in of_type.items()]
    rows.sort(key=lambda row: (not row[2].unknown, -row[2].total, -row[1], row[0]))
    return tuple(
        TypeRow(operator=name, count=count, macs=cost.exact, share=_share(cost, whole)) for name, count, cost in rows
    )


def _share(cost: Cost, whole: Cost) -> float | None:
    return cost.total / whole.total if whole.exact else None


def _callers(file: File) -> dict[int, list[str]]:
    callers: dict[int, list[str]] = defaultdict(list)
    for index, graph in enumerate(file.graphs):
        for operator in graph.operators:
            for called in calls(operator):
                name = f"{operator.name} of graph {index}"
                if name not in callers[called]:
                    callers[called].append(name)
    return callers
