"""Graphs of floats alone, of which the delegate takes what it does faster: the bits are those of the runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .conftest import Operators
from .graphs import NONE, RELU, RELU6, Graph
from .test_builtin_operators import EXAMPLES, FloatBlocks
from .test_graphs import assert_same_bits, delegations

CHANNELS = [16, 24, 30, 40, 96, 131]


class FloatNetwork(FloatBlocks):
    """Random rows of float operators with blocks like MobileNet's among them, and nothing binary."""

    steps = ("conv_2d", "depthwise_2d", "scale", "bent", "skip", "pooled", "block", "block", "block")

    def __init__(self, seed: int) -> None:
        Graph.__init__(self)
        self.rng = np.random.default_rng(seed)
        self.shape = (int(self.rng.integers(1, 3)), *(int(n) for n in self.rng.integers(9, 70, 2)))
        self.source = self.end = self.tensor((*self.shape, int(self.rng.choice([3, 8, 21, 40]))), "float32")
        self.results: list[int] = []
        for _ in range(6):
            getattr(self, str(self.rng.choice(self.steps)))()
            if self.rng.random() < 0.1:
                self.results.append(self.end)
        self.results.append(self.end)

    def block(self) -> None:
        """Expands, goes over the image, projects; and adds what it began with, if that has its shape."""
        before = self.end
        self.single_pixels(RELU6)
        if self.rng.random() < 0.1:
            self.results.append(self.end)
        same, channels = min(self.tensors[self.end].shape[1:3]) < 7 or self.rng.random() < 0.7, self.channels
        stride = self.stride() if same else (1, 1)
        weights, bias = self.floats(1, 3, 3, channels), self.floats(channels)
        self.end = self.depthwise(self.end, weights, bias, stride, same=bool(same), activation=RELU6)
        self.single_pixels(NONE)
        if self.tensors[before].shape == self.tensors[self.end].shape:
            self.end = self.add(before, self.end)

    def single_pixels(self, activation: int) -> None:
        filters = int(self.rng.choice([*CHANNELS, self.channels]))
        weights, bias = self.floats(filters, 1, 1, self.channels), self.floats(filters)
        self.end = self.conv(self.end, weights, bias, (1, 1), same=False, activation=activation)

    def pooled(self) -> None:
        if min(self.tensors[self.end].shape[1:3]) >= 9:
            self.end = self.max_pool(self.end, (2, 2), (1, 1), same=False)
        self.depthwise_2d()


@EXAMPLES
@example(seed=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_graph_of_floats_keeps_the_bits_of_the_runtime(operators: Operators, kernel: str, seed: int) -> None:
    network = FloatNetwork(seed)
    model, inputs = network.model([network.source], network.results), network.inputs()
    theirs = operators.run(model, inputs, fuse=0)
    for num_threads in (1, 3):
        ours = operators.run(model, inputs, kernel=kernel, num_threads=num_threads, floats=1)
        assert_same_bits(ours, theirs)


def block(
    shape: tuple[int, ...], expanded: int, filters: int, stride: int, *, activation: int = RELU, same: bool = True
) -> tuple[Graph, int, int]:
    rng, graph = np.random.default_rng(expanded), Graph()
    floats = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    source = graph.tensor(shape, "float32")
    y = graph.conv(source, floats(expanded, 1, 1, shape[3]), floats(expanded), (1, 1), same=True, activation=activation)
    y = graph.depthwise(y, floats(1, 3, 3, expanded), floats(expanded), (stride, stride), same=same)
    return graph, source, graph.conv(y, floats(filters, 1, 1, expanded), floats(filters), (1, 1), same=False)


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 13, 230, 16), (2, 17, 15, 24), (3, 9, 9, 40)])
def test_a_block_is_taken_and_keeps_the_bits_of_the_runtime(
    operators: Operators, shape: tuple[int, ...], stride: int, num_threads: int, *, same: bool
) -> None:
    """Also where a row is wider than the first cache has room for, and where windows leave rows and columns unread."""
    if shape[1] == 9 and stride == 3:
        shape = (*shape[:2], 20, shape[3])  # 16 pixels, less than which XNNPACK sums in another order
    graph, source, end = block(shape, 56, 40, stride, same=same)
    model = graph.model([source], [end])
    inputs = [np.random.default_rng(1).normal(size=shape).astype(np.float32)]
    assert delegations(operators.interpreter(model, floats=1)) == 1
    theirs = operators.run(model, inputs, fuse=0)
    assert_same_bits(operators.run(model, inputs, floats=1, num_threads=num_threads), theirs)


def test_inputs_of_other_shapes_keep_the_bits_of_the_runtime(operators: Operators) -> None:
    graph, source, end = block((1, 17, 15, 24), 56, 40, 2)
    model = graph.model([source], [end])
    images = np.random.default_rng(1).normal(size=(1, 30, 80, 24)).astype(np.float32)
    results = []
    for options in ({"floats": 1}, {"fuse": 0}):
        interpreter = operators.interpreter(model, **options)
        at = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(at, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(at, images)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert results[0].shape == (1, 15, 40, 40)
    assert_same_bits(results[:1], results[1:])


def test_floats_are_left_to_the_runtime_unless_asked_for(operators: Operators) -> None:
    graph, source, end = block((1, 17, 15, 24), 56, 40, 2)
    model = graph.model([source], [end])
    delegate = operators.delegate(trace=0)
    assert operators.interpreter(model, delegate=delegate, xnnpack=False)._get_ops_details()[0]["op_name"] == "CONV_2D"


def test_convolutions_without_a_depthwise_one_stay_with_the_runtime(operators: Operators) -> None:
    rng, graph = np.random.default_rng(1), Graph()
    source = graph.tensor((1, 9, 10, 8), "float32")
    end = graph.conv(source, rng.normal(size=(16, 3, 3, 8)), rng.normal(size=16), (1, 1), same=True)
    end = graph.conv(end, rng.normal(size=(32, 1, 1, 16)), rng.normal(size=32), (1, 1), same=True)
    model = graph.model([source], [end])
    delegate = operators.delegate(floats=1)
    assert operators.interpreter(model, delegate=delegate, xnnpack=False)._get_ops_details()[0]["op_name"] == "CONV_2D"
