"""Partitions with several operators: fused or not, on any number of threads, at any batch, the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Operators, invoke
from .graphs import NONE, RELU, RELU6, Graph, conv_options, flexbuffer, pack, words
from .random_graphs import random_graph

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_same(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    assert len(left) == len(right)
    for a, b in zip(left, right):
        np.testing.assert_array_equal(a, b)


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1))
def test_fused_and_unfused_graphs_have_the_same_bits(operators: Operators, seed: int) -> None:
    model, inputs = random_graph(seed)
    plain = operators.run(model, inputs, fuse=0, kernel="portable")
    assert_same(operators.run(model, inputs, fuse=1), plain)
    assert_same(operators.run(model, inputs, fuse=1, num_threads=4), plain)


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1))
def test_every_kernel_gives_the_bits_of_the_portable_one(operators: Operators, kernel: str, seed: int) -> None:
    model, inputs = random_graph(seed)
    assert_same(operators.run(model, inputs, kernel=kernel), operators.run(model, inputs, kernel="portable"))


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1))
def test_a_batch_gives_the_results_of_its_images(operators: Operators, seed: int) -> None:
    model, (image,) = random_graph(seed)
    # tflite-runtime cannot apply its own XNNPACK delegate a second time to some of these graphs.
    interpreter = operators.interpreter(model, xnnpack=False)
    index = interpreter.get_input_details()[0]["index"]
    single = invoke(interpreter, [image])
    for batch in (3, 1, 2):
        interpreter.resize_tensor_input(index, [batch, *image.shape[1:]])
        interpreter.allocate_tensors()
        assert_same(
            invoke(interpreter, [np.repeat(image, batch, axis=0)]), [np.repeat(y, batch, axis=0) for y in single]
        )


class ResidualChain(Graph):
    """x + conv(sign(x)), repeated: the shape of QuickNet's and ResNet's stages; the last sum may have an activation."""

    def __init__(self, blocks: int, *, channels: int = 64, activation: int = NONE, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng([seed, blocks])
        self.shape = (1, 6, 7, channels)
        self.source = self.end = self.tensor(self.shape, "float32")
        for left in reversed(range(blocks)):
            filters = self.rng.random((channels, 3, 3, channels)) < 0.5
            weights = self.tensor((*filters.shape[:3], words(channels)), "int32", pack(filters))
            scales = [self.tensor([channels], "float32", self.rng.normal(size=channels)) for _ in range(2)]
            y, options = self.tensor(self.shape, "float32"), flexbuffer(conv_options(channels))
            self.custom("LceBconv2d", [self.quantize(self.end), weights, *scales, -1], y, options)
            self.end = self.add(y, self.end, NONE if left else activation)

    def inputs(self) -> list[np.ndarray]:
        return [self.rng.normal(size=self.shape).astype(np.float32)]


def delegations(interpreter: Any) -> int:
    """How many pieces of the graph run in delegates: ours, and XNNPACK's if anything is left for it."""
    return [op["op_name"] for op in interpreter._get_ops_details()].count("DELEGATE")


def assert_same_bits(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    assert [array.tobytes() for array in left] == [array.tobytes() for array in right]


@pytest.mark.parametrize("activation", [NONE, RELU])
def test_residual_blocks_become_one_partition(operators: Operators, activation: int) -> None:
    graph = ResidualChain(4, activation=activation)
    model, inputs = graph.model([graph.source], [graph.end]), graph.inputs()
    interpreter = operators.interpreter(model)
    assert delegations(interpreter) == 1
    assert_same_bits(invoke(interpreter, inputs), operators.run(model, inputs, fuse=0))


@pytest.mark.parametrize("xnnpack", [True, False])
@pytest.mark.parametrize(
    ("window", "stride", "same"),
    [((2, 2), (1, 1), False), ((2, 2), (2, 2), True), ((3, 3), (2, 2), True), ((3, 2), (1, 3), False)],
)
@pytest.mark.parametrize("channels", [64, 33, 5])
def test_a_maximum_behind_a_convolution_keeps_the_bits_of_the_runtime(
    operators: Operators, channels: int, window: tuple[int, int], stride: tuple[int, int], same: bool, xnnpack: bool
) -> None:
    graph = ResidualChain(2, channels=channels, activation=RELU)
    model = graph.model([graph.source], [graph.max_pool(graph.end, window, stride, same=same), graph.end])
    inputs = graph.inputs()
    assert delegations(operators.interpreter(model)) == 1
    theirs = operators.run(model, inputs, fuse=0, xnnpack=xnnpack)
    assert 0 < np.count_nonzero(theirs[1]) < theirs[1].size
    for how in ({"num_threads": 1}, {"num_threads": 3}, {"kernel": "portable"}):
        assert_same_bits(operators.run(model, inputs, **how), theirs)


def test_other_activations_stay_with_the_runtime(operators: Operators) -> None:
    graph = ResidualChain(1)
    pool = graph.max_pool(graph.end, (2, 2), (2, 2), same=True, activation=RELU)
    assert delegations(operators.interpreter(graph.model([graph.source], [pool]))) == 2
    graph = ResidualChain(1, activation=RELU6)
    assert delegations(operators.interpreter(graph.model([graph.source], [graph.end]))) == 2


def test_a_maximum_that_nothing_of_ours_feeds_stays_with_the_runtime(operators: Operators) -> None:
    graph = Graph()
    source = graph.tensor((1, 6, 6, 32), "float32")
    bits = graph.quantize(graph.max_pool(source, (2, 2), (2, 2), same=True))
    assert delegations(operators.interpreter(graph.model([source], [bits]))) == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_sum_of_two_convolutions(operators: Operators, order: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    graph = Graph()
    source = graph.tensor((1, 5, 5, 32), "float32")
    bits, parts = graph.quantize(source), []
    for _ in range(2):
        weights = graph.tensor((32, 1, 1, 1), "int32", pack(rng.random((32, 1, 1, 32)) < 0.5))
        scales = [graph.tensor([32], "float32", rng.normal(size=32)) for _ in range(2)]
        target = graph.tensor((1, 5, 5, 32), "float32")
        parts.append(graph.custom("LceBconv2d", [bits, weights, *scales, -1], target, flexbuffer(conv_options(32))))
    model = graph.model([source], [graph.add(parts[order[0]], parts[order[1]])])
    inputs = [rng.normal(size=(1, 5, 5, 32)).astype(np.float32)]
    assert_same(operators.run(model, inputs), operators.run(model, inputs, fuse=0))
