"""How often a loop runs, where its file says so with certainty: a counter that only grows, up to a constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from converters.inspection.parts import Graph, Operator, Tensor

MOST_COMPARISONS = 16
_BYTES = {"INT32": 4, "INT64": 8}
_NO_ACTIVATION = 0


def trip_count(loop: Operator, condition: Graph, body: Graph) -> int | None:
    """How often a WHILE runs its body; None where that depends on what it computes."""
    comparisons = list(_comparisons(condition, condition.outputs[0], MOST_COMPARISONS))
    counts = [_count(loop, condition, body, operator) if operator else None for operator in comparisons]
    known = [count for count in counts if count is not None]
    return min(known) if known and len(known) == len(counts) else None


def _comparisons(graph: Graph, result: Tensor, deep: int) -> Iterator[Operator | None]:
    """The LESS operators that must all hold, and None for any other condition."""
    operator = _producer(graph, result)
    if operator is not None and operator.name == "LESS":
        yield operator
    elif operator is not None and operator.name == "LOGICAL_AND" and deep:
        for side in (0, 1):
            yield from _comparisons(graph, operator.needed(side), deep // 2)
    else:
        yield None


def _count(loop: Operator, condition: Graph, body: Graph, less: Operator) -> int | None:
    counter = _position(condition.inputs, less.needed(0))
    if counter is None:
        return None
    limit = _limit(loop, condition, body, less.needed(1))
    start, step = _value(loop.needed(counter)), _step(body, counter)
    if limit is None or start is None or step is None or step <= 0:
        return None
    if limit - 1 + step >= 2 ** (8 * _BYTES.get(less.needed(0).type, 0) - 1):
        return None  # it would wrap
    return max(0, -(-(limit - start) // step))


def _limit(loop: Operator, condition: Graph, body: Graph, tensor: Tensor) -> int | None:
    """A constant of the condition, or one that the loop is given and never changes."""
    position = _position(condition.inputs, tensor)
    if position is None:
        return _value(tensor)
    unchanged = body.outputs[position].index == body.inputs[position].index
    return _value(loop.needed(position)) if unchanged else None


def _step(body: Graph, counter: int) -> int | None:
    """What each run of the body adds to the counter."""
    add = _producer(body, body.outputs[counter])
    if add is None or add.name != "ADD" or add.options.get("fusedActivationFunction", _NO_ACTIVATION):
        return None
    sides = [add.needed(0), add.needed(1)]
    others = [side for side in sides if side.index != body.inputs[counter].index]
    return _value(others[0]) if len(others) == 1 else None


def _value(tensor: Tensor) -> int | None:
    """Of a constant that is one whole number and lies in this file."""
    if tensor.type not in _BYTES or tensor.elements != 1 or tensor.constant is None or tensor.constant.data is None:
        return None
    return int(np.frombuffer(bytes(tensor.constant.data), f"<i{_BYTES[tensor.type]}")[0])


def _producer(graph: Graph, tensor: Tensor) -> Operator | None:
    """The one operator that writes a tensor."""
    found = [operator for operator in graph.operators if any(out.index == tensor.index for out in operator.outputs)]
    return found[0] if len(found) == 1 else None


def _position(tensors: Sequence[Tensor], tensor: Tensor) -> int | None:
    return next((i for i, other in enumerate(tensors) if other.index == tensor.index), None)
