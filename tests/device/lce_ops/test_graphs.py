"""Partitions with several operators: fused or not, on any number of threads, at any batch, the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Operators, invoke
from .graphs import Graph, conv_options, flexbuffer, pack, words
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


def residual_chain(blocks: int) -> tuple[bytes, list[np.ndarray]]:
    """x + conv(sign(x)), repeated: the shape of QuickNet's and ResNet's stages."""
    rng = np.random.default_rng(blocks)
    graph = Graph()
    source = x = graph.tensor((1, 6, 7, 64), "float32")
    for _ in range(blocks):
        weights = graph.tensor((64, 3, 3, words(64)), "int32", pack(rng.random((64, 3, 3, 64)) < 0.5))
        scales = [graph.tensor([64], "float32", rng.normal(size=64)) for _ in range(2)]
        y = graph.tensor((1, 6, 7, 64), "float32")
        graph.custom("LceBconv2d", [graph.quantize(x), weights, *scales, -1], y, flexbuffer(conv_options(64)))
        x = graph.add(y, x)
    return graph.model([source], [x]), [rng.normal(size=(1, 6, 7, 64)).astype(np.float32)]


def test_residual_blocks_become_one_partition(operators: Operators) -> None:
    model, inputs = residual_chain(4)
    interpreter = operators.interpreter(model)
    assert [op["op_name"] for op in interpreter._get_ops_details()].count("DELEGATE") == 1
    assert_same(invoke(interpreter, inputs), operators.run(model, inputs, fuse=0))


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
