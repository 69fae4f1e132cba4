"""Max pools before a quantization."""

from __future__ import annotations

from typing import Any

from converters.rewriting.graph import Graph, Operator
from converters.rewriting.max_pools import pool_bits
from tests.converters.rewriting.graphs import RELU, SAME, VALID, activation, graph, names, step


def pooled(**changed: Any) -> Graph:
    image = activation(1, 8, 8, 40)
    options = {"filterHeight": 2, "filterWidth": 3, "strideH": 1, "strideW": 2, "padding": VALID, **changed}
    pool = step("MAX_POOL_2D", image, like=activation(1, 7, 3, 40), **options)
    quantize = Operator("LceQuantize", [pool.output], [activation(1, 7, 3, 2, type="INT32")], custom=True)
    return graph(image, [pool, quantize])


def test_pool_works_on_bits() -> None:
    made = pooled()
    pool_bits(made)
    assert names(made) == ["LceQuantize", "LceBMaxPool2d"]
    quantize, pool = made.operators
    assert quantize.output.shape == (1, 8, 8, 2)
    assert pool.output.shape == (1, 7, 3, 2)
    assert pool.options == {
        "filter_height": 2, "filter_width": 3, "stride_height": 1, "stride_width": 2, "padding": VALID,
    }  # fmt: skip


def test_same_padding_is_handed_on() -> None:
    made = pooled(padding=SAME)
    pool_bits(made)
    assert made.operators[1].options["padding"] == SAME


def test_pool_with_an_activation_stays() -> None:
    made = pooled(fusedActivationFunction=RELU)
    pool_bits(made)
    assert names(made) == ["MAX_POOL_2D", "LceQuantize"]


def test_pool_whose_floats_are_read_stays() -> None:
    made = pooled()
    made.outputs.append(made.operators[0].output)
    pool_bits(made)
    assert names(made) == ["MAX_POOL_2D", "LceQuantize"]
