"""Random graphs of binary blocks: chains, residual sums, shared inputs, unrelated branches, several outputs."""

from __future__ import annotations

import numpy as np

from .graphs import NONE, RELU, RELU6, Graph, conv_options, flexbuffer, pack, pool_options, words


class Blocks:
    """Builds a graph over one map size, so that any two tensors with equally many channels can be added."""

    def __init__(self, seed: int, *, batch: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph()
        self.map = (batch, int(self.rng.integers(1, 8)), int(self.rng.integers(1, 8)))
        self.channels = int(self.rng.choice([1, 8, 31, 32, 40, 64]))
        self.inputs = [self.graph.tensor((*self.map, self.channels), "float32")]
        self.floats = list(self.inputs)
        self.bits: list[tuple[int, int]] = []  # tensor, channels

    def quantize(self) -> None:
        self.bits.append((self.graph.quantize(int(self.rng.choice(self.floats))), self.channels))

    def conv(self, dtype: str) -> None:
        source, channels = self.bits[self.rng.integers(len(self.bits))]
        size = int(self.rng.choice([1, 3, 5]))
        filters = self.rng.random((self.channels, size, size, channels)) < 0.5
        weights = self.graph.tensor((*filters.shape[:3], words(channels)), "int32", pack(filters))
        if dtype == "int32":
            thresholds = self.rng.integers(0, size * size * channels + 1, self.channels)
            operands = [-1, -1, self.graph.tensor([self.channels], "int32", thresholds)]
            target = self.graph.tensor((*self.map, words(self.channels)), "int32")
            self.bits.append((target, self.channels))
        else:
            scales = self.rng.normal(size=(2, self.channels)).astype(np.float32)
            operands = [*(self.graph.tensor([self.channels], "float32", row) for row in scales), -1]
            target = self.graph.tensor((*self.map, self.channels), "float32")
            self.floats.append(target)
        pad_value, activation = int(self.rng.integers(2)), int(self.rng.integers(4))
        options = conv_options(channels, pad_values=pad_value, fused_activation_function=activation)
        self.graph.custom("LceBconv2d", [source, weights, *operands], target, flexbuffer(options))

    def add(self) -> None:
        left, right = self.rng.choice(self.floats, 2)
        activation = int(self.rng.choice([NONE, RELU, RELU6]))
        self.floats.append(self.graph.add(int(left), int(right), activation))

    def maximum(self) -> None:
        source = int(self.rng.choice(self.floats))
        self.floats.append(self.graph.max_pool(source, (3, 2), (1, 1), same=True))

    def pool(self) -> None:
        source, channels = self.bits[self.rng.integers(len(self.bits))]
        target = self.graph.tensor((*self.map, words(channels)), "int32")
        self.graph.custom("LceBMaxPool2d", [source], target, flexbuffer(pool_options((2, 3), (1, 1), same=True)))
        self.bits.append((target, channels))

    def dequantize(self) -> None:
        same = [tensor for tensor, channels in self.bits if channels == self.channels]
        target = self.graph.tensor((*self.map, self.channels), "float32")
        self.floats.append(self.graph.custom("LceDequantize", [int(self.rng.choice(same))], target))

    def outputs(self) -> list[int]:
        """Everything that nothing reads, and a few tensors that something does."""
        read = {tensor for _, inputs, _, _ in self.graph.operators for tensor in inputs}
        made = [tensor for _, _, outputs, _ in self.graph.operators for tensor in outputs]
        return [tensor for tensor in made if tensor not in read or self.rng.random() < 0.2]


def random_graph(seed: int, *, steps: int = 12, batch: int = 1) -> tuple[bytes, list[np.ndarray]]:
    """A model and inputs for it."""
    blocks = Blocks(seed, batch=batch)
    blocks.quantize()
    for _ in range(steps):
        kind = blocks.rng.choice(["quantize", "float", "float", "bits", "add", "add", "pool", "dequantize", "maximum"])
        if kind in ("float", "bits"):
            blocks.conv("float32" if kind == "float" else "int32")
        else:
            getattr(blocks, kind)()
    x = blocks.rng.normal(size=(*blocks.map, blocks.channels)).astype(np.float32)
    return blocks.graph.model(blocks.inputs, blocks.outputs()), [x]
