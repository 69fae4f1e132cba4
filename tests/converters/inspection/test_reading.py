"""Files that are sound and unusual are read; what they say of themselves is never taken for more than that."""

from __future__ import annotations

import pytest

from converters.contents import contents
from converters.inspection.details import details
from tests.flatbuffers.hand_made import Graph, Made, of
from tests.flatbuffers.loop_rows import ROWS


def test_a_scale_without_a_zero_point_has_the_zero_point_0() -> None:
    def build(file: Made, graph: Graph) -> None:
        graph.output(graph.input(1, 4, kind="INT8", scales=[0.5]))
        graph.written.tensors[0].quantization.zeroPoint = None

    assert contents(of(build)()).inputs[0].zero_point == 0


def test_an_end_with_a_scale_for_each_channel_has_no_single_one() -> None:
    def build(file: Made, graph: Graph) -> None:
        graph.output(graph.input(1, 2, kind="INT8", scales=[0.5, 0.25], axis=1))

    (tensor,) = contents(of(build)()).inputs
    assert (tensor.scale, tensor.zero_point) == (None, None)


def test_a_builtin_operator_with_a_custom_name_is_builtin() -> None:
    def build(file: Made, graph: Graph) -> None:
        graph.output(graph.operator("RELU", [graph.input(1, 4)], [graph.tensor(1, 4)]))
        file.model.operatorCodes[0].customCode = ""

    inside = contents(of(build)())
    assert (inside.operators, inside.custom_operators) == ({"RELU": 1}, ())


@pytest.mark.parametrize("kind", ["STRING", "BFLOAT16", "INT2", "FLOAT8_E5M2"])
def test_types_without_kernels_of_their_own_are_read(kind: str) -> None:
    def build(file: Made, graph: Graph) -> None:
        graph.output(graph.operator("RELU", [graph.input(1, 4, kind=kind)], [graph.tensor(1, 4, kind=kind)]))

    assert (contents(of(build)()).arena_bytes is None) == (kind == "STRING")


def test_the_memory_of_a_loop_s_graphs_comes_on_top() -> None:
    graphs = details(ROWS["a loop of three rounds"].build()).graphs
    main, *called = (graph.arena_bytes or 0 for graph in graphs)
    ends = 4 * 64  # input and outputs of the main graph, each at a multiple of 64 bytes
    assert 0 < sum(called) < main <= sum(called) + ends


@pytest.mark.parametrize(
    ("name", "shape", "rows"),
    [
        ("RESHAPE", (1, 12), 1),
        ("RESHAPE", (1, 6), 2),  # stored as one row: but 12 numbers are two rows of 6
        ("RESHAPE", (1, 5), 0),  # and no rows of 5
        ("SHAPE", (1, 3, 4), 0),
        ("RELU", (1, 3, 4), 1),
        ("TILE", (1, 3, 4), 0),
    ],
)
def test_the_stored_number_of_images_holds_as_far_as_operators_hand_it_on(
    name: str, shape: tuple[int, ...], rows: int
) -> None:
    def build(file: Made, graph: Graph) -> None:
        image, middle = graph.input(1, 3, 4, free=[0]), graph.tensor(*shape, free=[0])
        graph.operator(name, [image], [middle])
        flat = middle if len(shape) == 2 else graph.operator("MEAN", [middle], [graph.tensor(1, shape[-1], free=[0])])
        out = graph.tensor(1, 5, free=[0])
        graph.output(graph.operator("FULLY_CONNECTED", [flat, graph.weights(5, shape[-1]), -1], [out]))

    inside = contents(of(build)())
    assert inside.macs["float"] == rows * 5 * shape[-1]
    assert inside.macs_unknown == ({} if rows else {"FULLY_CONNECTED": 1})
