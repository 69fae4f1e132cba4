"""Single operators against their definition in NumPy: random shapes, options and values; identical bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from . import oracle
from .conftest import Operators
from .graphs import Graph, conv_options, flexbuffer, pack, pool_options, unpack, words

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
EXAMPLES = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def litert(library: Path) -> Operators:
    pytest.importorskip("ai_edge_litert")
    return Operators("ai_edge_litert", library)


@dataclass(frozen=True)
class Case:
    conv: oracle.Conv
    output: str
    seed: int

    def build(self) -> tuple[bytes, np.ndarray, np.ndarray]:
        """The model, its input, and the output by the oracle."""
        c, rng = self.conv, np.random.default_rng(self.seed)
        out_channels = c.weights.shape[0]
        shape = (c.inputs.shape[0], c.axis(0)[0], c.axis(1)[0])
        graph = Graph()
        source = graph.tensor((*c.inputs.shape[:3], words(c.inputs.shape[3])), "int32")
        filters = graph.tensor((*c.weights.shape[:3], words(c.weights.shape[3])), "int32", pack(c.weights))
        if self.output == "int32":
            thresholds = rng.integers(-2, c.products + 2, out_channels).astype(np.int32)
            thresholds[rng.random(out_channels) < 0.1] = INT32_MIN
            thresholds[rng.random(out_channels) < 0.1] = INT32_MAX
            operands = [-1, -1, graph.tensor([out_channels], "int32", thresholds)]
            target = graph.tensor((*shape, words(out_channels)), "int32")
            wanted = pack(c.bits(thresholds))
        else:
            multiplier = (rng.normal(size=out_channels) * rng.choice([0, 0.5, 1, 1e3], out_channels)).astype(np.float32)
            bias = rng.normal(size=out_channels).astype(np.float32) * 10
            operands = [*(graph.tensor([out_channels], "float32", v) for v in (multiplier, bias)), -1]
            if self.output == "int8":
                scale, zero = float(np.float32(rng.uniform(0.05, 3))), int(rng.integers(-128, 128))
                target = graph.tensor((*shape, out_channels), "int8", quantization=(scale, zero))
                wanted = c.int8(multiplier, bias, scale, zero)
            else:
                target = graph.tensor((*shape, out_channels), "float32")
                wanted = c.floats(multiplier, bias)
        options = conv_options(
            c.inputs.shape[3], stride_height=c.stride[0], stride_width=c.stride[1], padding=0 if c.same else 1,
            dilation_height_factor=c.dilation[0], dilation_width_factor=c.dilation[1],
            pad_values=c.pad_value, fused_activation_function=c.activation,
        )  # fmt: skip
        graph.custom("LceBconv2d", [source, filters, *operands], target, flexbuffer(options))
        return graph.model([source], [target]), pack(c.inputs), wanted


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = st.integers(1, 3)
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    group_channels = draw(st.integers(1, 100)) if groups == 1 else 32 * draw(size)
    out_channels = groups * draw(st.integers(1, 70 // groups))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    image = (draw(size), draw(st.integers(1, 9)), draw(st.integers(1, 9)), groups * group_channels)
    filters = (out_channels, draw(st.integers(1, 5)), draw(st.integers(1, 5)), group_channels)
    same = draw(st.booleans())
    conv = oracle.Conv(
        inputs=rng.random(image) < 0.5,
        weights=rng.random(filters) < 0.5,
        stride=(draw(size), draw(size)),
        dilation=(draw(size), draw(size)),
        same=same,
        pad_value=draw(st.sampled_from([0, 1])) if same else 0,
        activation=draw(st.sampled_from([0, 1, 2, 3, 4, 5])),
    )
    assume(conv.axis(0)[0] > 0 and conv.axis(1)[0] > 0)
    return Case(conv, draw(st.sampled_from(["float32", "int8", "int32"])), seed)


@EXAMPLES
@given(case=cases())
def test_convolution_has_the_bits_of_its_definition(litert: Operators, kernel: str, case: Case) -> None:
    model, inputs, wanted = case.build()
    for threads in (1, 3):
        (got,) = litert.run(model, [inputs], kernel=kernel, num_threads=threads)
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("activation", [1, 2, 3])
@pytest.mark.parametrize("output", ["float32", "int8", "int32"])
@pytest.mark.parametrize("groups", [1, 2])
def test_zero_padding_works_where_lce_refuses_it(
    litert: Operators, kernel: str, activation: int, output: str, groups: int
) -> None:
    rng = np.random.default_rng(activation)
    inputs, weights = rng.random((1, 2, 3, 64)) < 0.5, rng.random((40, 5, 5, 64 // groups)) < 0.5
    conv = oracle.Conv(inputs=inputs, weights=weights, pad_value=0, activation=activation, dilation=(2, 1))
    model, packed, wanted = Case(conv, output, seed=5).build()
    (got,) = litert.run(model, [packed], kernel=kernel)
    np.testing.assert_array_equal(got, wanted)


def test_counts_beyond_16_bits(litert: Operators, kernel: str) -> None:
    """4097 words per window: more than a byte or a 16-bit counter holds when every bit differs."""
    channels = 4097 * 32
    conv = oracle.Conv(
        inputs=np.ones((1, 1, 1, channels), bool), weights=np.zeros((3, 1, 1, channels), bool), same=False
    )
    model, packed, wanted = Case(conv, "float32", seed=1).build()
    (got,) = litert.run(model, [packed], kernel=kernel)
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("shape", [(1,), (31,), (3, 33), (2, 3, 64), (2, 5, 3, 129), (2, 1, 3, 2, 70)])
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool"])
def test_quantize_and_dequantize_any_rank(litert: Operators, kernel: str, shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(len(shape))
    values: dict[str, Any] = {
        "float32": rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf, 1.2e-38, -1.2e-38, 1, -1], shape).astype(np.float32),
        "int8": rng.integers(-128, 128, shape).astype(np.int8),
        "bool": rng.random(shape) < 0.5,
    }
    zero_points = [-200, -128, 0, 5, 127, 300] if dtype == "int8" else [0]
    for zero_point in zero_points:
        quantization = (0.5, zero_point) if dtype == "int8" else None
        graph = Graph()
        source = graph.tensor(shape, dtype, quantization=quantization)
        bits = graph.quantize(source)
        signs = graph.custom("LceDequantize", [bits], graph.tensor(shape, "float32"))
        packed, floats = litert.run(graph.model([source], [bits, signs]), [values[dtype]], kernel=kernel)
        x = values[dtype]
        negative = ~x if dtype == "bool" else x.astype(int) < zero_point if dtype == "int8" else x < 0
        np.testing.assert_array_equal(packed, pack(negative))
        np.testing.assert_array_equal(floats, np.where(negative, -1, 1))


@EXAMPLES
@given(
    seed=st.integers(0, 2**32 - 1),
    same=st.booleans(),
    channels=st.integers(1, 70),
    sizes=st.lists(st.integers(1, 6), min_size=6, max_size=6),
)
def test_max_pool_is_an_and_over_the_window(
    litert: Operators, seed: int, same: bool, channels: int, sizes: list[int]
) -> None:
    height, width, *window = sizes
    (kh, kw), (sh, sw) = window[:2], window[2:]
    assume(same or (kh <= height and kw <= width))
    negative = np.random.default_rng(seed).random((2, height, width, channels)) < 0.8
    frame = oracle.Conv(inputs=negative, weights=np.zeros((1, kh, kw, channels), bool), stride=(sh, sw), same=same)
    (oh, top, bottom), (ow, left, right) = frame.axis(0), frame.axis(1)
    padded = np.pad(negative, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=True)
    taps = [padded[:, y::sh, x::sw][:, :oh, :ow] for y in range(kh) for x in range(kw)]
    graph = Graph()
    source = graph.tensor((2, height, width, words(channels)), "int32")
    target = graph.tensor((2, oh, ow, words(channels)), "int32")
    graph.custom("LceBMaxPool2d", [source], target, flexbuffer(pool_options((kh, kw), (sh, sw), same=same)))
    (got,) = litert.run(graph.model([source], [target]), [pack(negative)])
    np.testing.assert_array_equal(unpack(got, channels), np.logical_and.reduce(taps))
