"""Which operators a delegate's node replaced, on random graphs that are cut as TFLite cuts them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from device.delegates import Delegation


class Nodes:
    """A graph as the interpreter's wrapper tells it: of each node the tensors that it reads and makes."""

    def __init__(self, nodes: list[tuple[list[int], list[int]]]) -> None:
        self.nodes = nodes

    def NumNodes(self) -> int:
        return len(self.nodes)

    def NodeInputs(self, number: int) -> list[int]:
        return self.nodes[number][0]

    def NodeOutputs(self, number: int) -> list[int]:
        return self.nodes[number][1]


@st.composite
def graphs(draw: Any) -> tuple[list[tuple[list[int], list[int]]], set[int]]:
    """Operators in order, each of which reads what earlier ones made, and the tensors that are results."""
    nodes: list[tuple[list[int], list[int]]] = []
    tensors = [0]  # the input
    for _ in range(draw(st.integers(1, 12))):
        reads = draw(st.lists(st.sampled_from([*tensors, -1]), min_size=1, max_size=3))  # -1: one that is left out
        makes = [len(tensors) + i for i in range(draw(st.integers(1, 2)))]
        nodes.append((reads, makes))
        tensors += makes
    return nodes, {*draw(st.lists(st.sampled_from(tensors), max_size=3)), tensors[-1]}


@given(graphs(), st.data())
def test_what_a_node_stands_for_is_found_by_its_ends(graph: tuple[Any, set[int]], data: st.DataObject) -> None:
    nodes, results = graph
    first = data.draw(st.integers(0, len(nodes) - 1))
    inside = range(first, data.draw(st.integers(first + 1, len(nodes))))
    made = {tensor for number in inside for tensor in nodes[number][1]}
    read = {tensor for number in inside for tensor in nodes[number][0]}
    read_outside = {t for number, (reads, _) in enumerate(nodes) if number not in inside for t in reads} | results

    wrapper = Nodes(list(nodes))
    delegation = Delegation(SimpleNamespace(_interpreter=wrapper))
    wrapper.nodes.append((sorted(read - made), sorted(made & read_outside)))
    delegation.applied("one")
    (taken,) = delegation.taken(whole=True).values()

    assert taken is not None
    assert set(taken) <= set(inside)
    for number in set(inside) - set(taken):  # nobody reads what it makes, nor what it reads but others outside as well
        reads, makes = nodes[number]
        later = [set(nodes[other][0]) for other in taken]
        assert not set(makes) & read_outside
        assert not any(set(makes) & tensors for tensors in later)
        assert not set(reads) & (made - read_outside) & {t for other in taken for t in nodes[other][1]}
