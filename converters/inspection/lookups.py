"""How many rows the tables have that an input's integers are looked up in: a greater one would be no row of theirs."""

from __future__ import annotations

from collections import defaultdict

from converters.inspection.parts import Graph, Operator

_PASSING_ON = {  # operators whose output holds nothing but numbers of their inputs -> which inputs
    "CAST": slice(1), "RESHAPE": slice(1), "EXPAND_DIMS": slice(1), "SQUEEZE": slice(1), "TRANSPOSE": slice(1),
    "SLICE": slice(1), "STRIDED_SLICE": slice(1), "UNPACK": slice(1), "SPLIT": slice(1, 2), "SPLIT_V": slice(1),
    "TILE": slice(1), "BROADCAST_TO": slice(1), "CONCATENATION": slice(None), "PACK": slice(None),
}  # fmt: skip


def rows_looked_up(graph: Graph) -> dict[int, int]:
    """For the tensor number of each input that GATHER or EMBEDDING_LOOKUP gets, rows of the smallest table."""
    holding: defaultdict[int, set[int]] = defaultdict(set)  # a tensor -> the inputs of which it holds numbers
    for tensor in graph.inputs:
        holding[tensor.index] = {tensor.index}
    rows: dict[int, int] = {}
    for operator in graph.operators:
        passed = operator.inputs[_PASSING_ON.get(operator.name, slice(0))]
        for output in operator.outputs:
            holding[output.index].update(*(holding[tensor.index] for tensor in passed if tensor is not None))
        place, size = _lookup(operator)
        indices = operator.input(place)
        if size and indices is not None:
            rows.update({number: min(size, rows.get(number, size)) for number in holding[indices.index]})
    return rows


def _lookup(operator: Operator) -> tuple[int, int]:
    """Which input of an operator is looked up, and in how many rows; 0 where it is no lookup, or they are not known."""
    if operator.name == "GATHER":
        table, indices, axis = operator.input(0), 1, int(operator.options.get("axis", 0))
    elif operator.name == "EMBEDDING_LOOKUP":
        table, indices, axis = operator.input(1), 0, 0
    else:
        return 0, 0
    if table is None or not -len(table.shape) <= axis < len(table.shape) or axis % len(table.shape) in table.free_axes:
        return indices, 0
    return indices, table.shape[axis]
