"""The memory that the activations of graphs need while they run."""

from __future__ import annotations

from collections.abc import Sequence

from converters.arena import Lifetime, arena_bytes
from converters.inspection.parts import Graph, Tensor, calls
from converters.schema import NotAnArtifact

MOST_ACTIVATIONS = 10_000  # each is placed beside all others


def activation_bytes(graphs: Sequence[Graph], number: int) -> int | None:
    """Of a graph and of those that it runs, each of which has an arena of its own.

    None where an activation's size is not known before the inference: an axis of any length, or texts.
    """
    sizes = [_arena(graphs[one]) for one in sorted(_reached(graphs, number))]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _reached(graphs: Sequence[Graph], number: int) -> set[int]:
    reached, waiting = {number}, [number]
    while waiting:
        called = {one for operator in graphs[waiting.pop()].operators for one in calls(operator)}
        waiting += called - reached
        reached |= called
    return reached


def _arena(graph: Graph) -> int | None:
    """Each activation from the operator that writes it to the last that reads it; ends of the graph live throughout."""
    first: dict[int, int] = {tensor.index: 0 for tensor in graph.inputs}
    last = dict(first)
    for step, operator in enumerate(graph.operators):
        for tensor in operator.outputs:
            first.setdefault(tensor.index, step)
            last[tensor.index] = step
        last.update({tensor.index: step for tensor in operator.inputs if tensor is not None})
    last.update({tensor.index: len(graph.operators) for tensor in graph.outputs})
    if len(first) > MOST_ACTIVATIONS:
        raise NotAnArtifact(f"it has more than {MOST_ACTIVATIONS:,} activations")
    tensors = [graph.tensors[index] for index in sorted(first) if _is_activation(graph.tensors[index])]
    if any(tensor.bytes is None or tensor.free_axes for tensor in tensors):
        return None
    return arena_bytes(
        Lifetime(first=first[tensor.index], last=last[tensor.index], size=tensor.bytes or 0) for tensor in tensors
    )


def _is_activation(tensor: Tensor) -> bool:
    """Handles of variables and tables take no room in the arena."""
    return tensor.constant is None and not tensor.variable and tensor.type not in ("RESOURCE", "VARIANT")
