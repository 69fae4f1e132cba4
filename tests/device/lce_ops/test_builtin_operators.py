"""Builtin operators of floats that the delegate takes over: to the bit what the runtime makes of them with XNNPACK."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .conftest import Operators
from .graphs import NONE, RELU, RELU6, Graph
from .test_graphs import assert_same_bits, delegations

EXAMPLES = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class FloatBlocks(Graph):
    """Random rows of float operators, each in front of a binary convolution."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.shape = (int(self.rng.integers(1, 3)), *(int(n) for n in self.rng.integers(9, 20, 2)))
        self.source = self.end = self.tensor((*self.shape, int(self.rng.choice([1, 3, 8, 21, 40]))), "float32")
        self.results: list[int] = []
        for _ in range(2):
            for _ in range(3):
                getattr(
                    self,
                    str(self.rng.choice(["conv_2d", "depthwise_2d", "scale", "padded_sum", "join", "bent", "skip"])),
                )()
                if self.rng.random() < 0.2:
                    self.results.append(self.end)
            self.binary()
        self.results.append(self.end)

    @property
    def channels(self) -> int:
        return self.tensors[self.end].shape[-1]

    def stride(self) -> tuple[int, int]:
        """So that 16 pixels are left of any map."""
        height, width = self.tensors[self.end].shape[1:3]
        return (2, int(self.rng.integers(1, 3))) if min(height, width) >= 9 else (1, 1)

    def floats(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(np.float32)

    def conv_2d(self) -> None:
        filters, size = int(self.rng.choice([1, 7, 16, 30, 33])), int(self.rng.choice([1, 1, 3, 5]))
        weights, activation = self.floats(filters, size, size, self.channels), int(self.rng.choice([NONE, RELU, RELU6]))
        stride = self.stride()
        self.end = self.conv(self.end, weights, self.floats(filters), stride, same=True, activation=activation)

    def depthwise_2d(self) -> None:
        same, channels = min(self.tensors[self.end].shape[1:3]) < 7 or bool(self.rng.integers(2)), self.channels
        stride = self.stride() if same else (1, 1)
        self.end = self.depthwise(self.end, self.floats(1, 3, 3, channels), self.floats(channels), stride, same=same)

    def scale(self) -> None:
        self.end = self.mul(self.end, self.floats(self.channels) if self.rng.random() < 0.8 else self.floats())

    def bent(self) -> None:
        self.conv_2d()
        if self.rng.random() < 0.2:
            self.results.append(self.end)
        self.end = self.prelu(self.end, self.floats(1, 1, self.channels))

    def skip(self) -> None:
        before = self.end
        self.scale()
        self.end = self.add(before, self.end, int(self.rng.choice([NONE, RELU])))
        self.scale()

    def binary(self) -> None:
        filters = self.rng.random((int(self.rng.choice([16, 32, 35])), 3, 3, self.channels)) < 0.5
        self.end = self.binary_conv(self.quantize(self.end), filters, self.floats(2, len(filters)))

    def padded_sum(self) -> None:
        before = self.end
        self.binary()
        own, own_before = self.channels, self.tensors[before].shape[-1]
        room = max(own, own_before) - min(own, own_before)
        first = int(self.rng.integers(room + 1))
        fits = [(0, 0), (0, 0), (0, 0), (first, room - first)]
        if own < own_before:
            self.end = self.add(before, self.pad(self.end, fits))
        else:
            self.end = self.add(self.pad(before, fits), self.end)

    def join(self) -> None:
        before = self.end
        self.binary()
        self.end = self.concatenate([before, self.end])

    def inputs(self) -> list[np.ndarray]:
        return [self.floats(*self.tensors[self.source].shape)]


@EXAMPLES
@example(seed=1006)  # a row of steps, behind a partition's first, that makes what it alone reads
@example(seed=1182)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_taken_over_keeps_the_bits_of_the_runtime(operators: Operators, kernel: str, seed: int) -> None:
    blocks = FloatBlocks(seed)
    model, inputs = blocks.model([blocks.source], blocks.results), blocks.inputs()
    theirs = operators.run(model, inputs, fuse=0)
    for num_threads in (1, 3):
        assert_same_bits(operators.run(model, inputs, kernel=kernel, num_threads=num_threads), theirs)


def quicknet_stage(*, size: int = 12, channels: int = 24) -> tuple[Graph, list[np.ndarray]]:
    """What lies between two of QuickNet's stages, with its stem in front."""
    rng = np.random.default_rng(size)
    floats = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    graph = Graph()
    source = graph.tensor((1, 4 * size, 4 * size, 3), "float32")
    y = graph.conv(source, floats(16, 3, 3, 3), floats(16), (2, 2), same=True, activation=RELU)
    y = graph.depthwise(y, floats(1, 3, 3, 16), floats(16), (2, 2), same=True)
    y = graph.conv(y, floats(channels, 1, 1, 16), floats(channels), (1, 1), same=False)
    filters = rng.random((channels, 3, 3, channels)) < 0.5
    y = graph.add(graph.binary_conv(graph.quantize(y), filters, floats(2, channels)), y, RELU)
    y = graph.max_pool(y, (2, 2), (1, 1), same=False)
    y = graph.depthwise(y, floats(1, 3, 3, channels), floats(channels), (2, 2), same=True)
    y = graph.conv(y, floats(2 * channels, 1, 1, channels), floats(2 * channels), (1, 1), same=False)
    bits = graph.quantize(y)
    return graph, [source, y, bits]


@pytest.mark.parametrize(("filters", "channels", "size"), [(1, 1, 5), (1, 1, 3), (2, 8, 1), (7, 3, 3), (16, 1, 3)])
def test_convolutions_to_few_channels_keep_the_bits_of_the_runtime(
    operators: Operators, filters: int, channels: int, size: int
) -> None:
    rng, graph = np.random.default_rng(filters), Graph()
    source = graph.tensor((1, 9, 10, channels), "float32")
    weights, bias = rng.normal(size=(filters, size, size, channels)), rng.normal(size=filters)
    floats = graph.conv(source, weights, bias, (1, 1), same=True)
    model = graph.model([source], [floats, graph.quantize(floats)])
    inputs = [rng.normal(size=(1, 9, 10, channels)).astype(np.float32)]
    assert_same_bits(operators.run(model, inputs), operators.run(model, inputs, fuse=0))


@pytest.mark.parametrize("num_threads", [1, 2, 8])
def test_quicknets_stem_and_the_step_between_stages_are_one_partition(operators: Operators, num_threads: int) -> None:
    graph, (source, *results) = quicknet_stage()
    model = graph.model([source], results)
    inputs = [np.random.default_rng(1).normal(size=graph.tensors[source].shape).astype(np.float32)]
    assert delegations(operators.interpreter(model, kernel="auto")) == 1
    assert_same_bits(
        operators.run(model, inputs, num_threads=num_threads), operators.run(model, inputs, fuse=0, num_threads=1)
    )


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("activation", [NONE, RELU, RELU6])
@pytest.mark.parametrize("shape", [(1, 1, 1, 300), (1, 300), (5, 300), (11, 300)])
def test_a_large_fully_connected_keeps_the_bits_of_the_runtime(
    operators: Operators, shape: tuple[int, ...], activation: int, num_threads: int
) -> None:
    rng, graph = np.random.default_rng(num_threads), Graph()
    source = graph.tensor(shape, "float32")
    weights, bias = rng.normal(size=(1003, 300)), rng.normal(size=1003)
    outputs = [graph.fully_connected(source, weights, of, activation) for of in (bias, None)]
    bits = graph.quantize(outputs[0])
    inputs = [rng.normal(size=shape).astype(np.float32)]
    model = graph.model([source], [*outputs, bits])
    assert delegations(operators.interpreter(model)) == 1
    theirs = operators.run(model, inputs, fuse=0)
    assert_same_bits(operators.run(model, inputs, num_threads=num_threads), theirs)


def test_a_small_fully_connected_stays_with_the_runtime(operators: Operators) -> None:
    graph = Graph()
    source = graph.tensor((1, 300), "float32")
    bits = graph.quantize(graph.fully_connected(source, np.ones((100, 300))))
    assert delegations(operators.interpreter(graph.model([source], [bits]))) == 2  # XNNPACK's, and the LceQuantize


@pytest.mark.parametrize(("size", "partitions"), [(3, 3), (1, 2)])
def test_a_wide_convolution_is_taken_by_itself_and_one_of_single_values_is_not(
    operators: Operators, size: int, partitions: int
) -> None:
    """Between the first one and the LceQuantize lies what stays with the runtime, which is XNNPACK's one partition."""
    rng, graph = np.random.default_rng(size), Graph()
    source = graph.tensor((1, 9, 10, 8), "float32")
    stem = graph.conv(source, rng.normal(size=(16, size, size, 8)), rng.normal(size=16), (1, 1), same=True)
    bits = graph.quantize(graph.mul(stem, np.full(16, -1, np.float32), RELU))
    model = graph.model([source], [bits])
    inputs = [rng.normal(size=(1, 9, 10, 8)).astype(np.float32)]
    assert delegations(operators.interpreter(model)) == partitions
    assert_same_bits(operators.run(model, inputs), operators.run(model, inputs, fuse=0))


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("slopes", [(1, 1, 40), (40,)])
def test_a_prelu_is_taken_with_the_convolution_before_it(
    operators: Operators, slopes: tuple[int, ...], *, kept: bool
) -> None:
    """Ours, the activation in XNNPACK's one partition, and the LceQuantize; even if the sums are asked for too."""
    rng, graph = np.random.default_rng(len(slopes)), Graph()
    source = graph.tensor((1, 9, 10, 8), "float32")
    sums = graph.conv(source, rng.normal(size=(40, 3, 3, 8)), rng.normal(size=40), (1, 1), same=True)
    bent = graph.prelu(sums, rng.normal(size=slopes))
    bits = graph.quantize(graph.mul(bent, np.full(40, -1, np.float32), RELU))
    model = graph.model([source], [bent, bits, *([sums] if kept else [])])
    inputs = [rng.normal(size=(1, 9, 10, 8)).astype(np.float32)]
    assert delegations(operators.interpreter(model)) == 3
    theirs = operators.run(model, inputs, fuse=0)
    assert (theirs[0] < 0).any()
    assert_same_bits(operators.run(model, inputs), theirs)


def test_a_prelu_behind_anything_else_stays_with_the_runtime(operators: Operators) -> None:
    graph = Graph()
    source = graph.tensor((1, 6, 6, 32), "float32")
    bits = graph.quantize(graph.prelu(graph.mul(source, np.full(32, -1, np.float32)), np.full((1, 1, 32), 0.5)))
    assert delegations(operators.interpreter(graph.model([source], [bits]))) == 2  # XNNPACK's, and the LceQuantize


def test_without_xnnpack_sums_of_products_stay_with_the_runtime(operators: Operators) -> None:
    graph, (source, *results) = quicknet_stage()
    model = graph.model([source], results)
    inputs = [np.random.default_rng(1).normal(size=graph.tensors[source].shape).astype(np.float32)]
    theirs = operators.run(model, inputs, fuse=0, xnnpack=False)
    assert_same_bits(operators.run(model, inputs, xnnpack=False), theirs)
    with_xnnpack = operators.run(model, inputs)[0]
    assert not np.array_equal(with_xnnpack, theirs[0])  # so that the option matters
    np.testing.assert_allclose(with_xnnpack, theirs[0], atol=1e-2)


def test_the_portable_kernel_leaves_sums_of_products_to_the_runtime(operators: Operators) -> None:
    graph, (source, *results) = quicknet_stage()
    assert delegations(operators.interpreter(graph.model([source], results), kernel="portable")) > 1


def test_a_maximum_of_products_stays_with_the_runtime_for_its_zeros_have_signs(operators: Operators) -> None:
    graph = Graph()
    source = graph.tensor((1, 6, 6, 32), "float32")
    products = graph.mul(source, np.full(32, -1, np.float32))
    bits = graph.quantize(graph.max_pool(products, (2, 2), (2, 2), same=True))
    assert delegations(operators.interpreter(graph.model([source], [bits]))) == 2  # XNNPACK's, and the LceQuantize


def test_products_with_an_activation_stay_with_the_runtime(operators: Operators) -> None:
    graph = Graph()
    source = graph.tensor((1, 6, 6, 32), "float32")
    bits = graph.quantize(graph.mul(source, np.full(32, -1, np.float32), RELU))
    assert delegations(operators.interpreter(graph.model([source], [bits]))) == 2
