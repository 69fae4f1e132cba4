"""The rewrites in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from converters.rewriting.bit_outputs import write_bits
from converters.rewriting.constants import fold_constants
from converters.rewriting.convolutions import binarize_convolutions
from converters.rewriting.graph import Graph
from converters.rewriting.max_pools import pool_bits
from converters.rewriting.reading import read_model
from converters.rewriting.signs import dequantize_signs
from converters.rewriting.writing import write_model

Rule = Callable[[Graph], None]

TO_LCE: tuple[Rule, ...] = (
    fold_constants,
    binarize_convolutions,
    dequantize_signs,  # what no convolution took
    pool_bits,  # moves LceQuantize in front of the pool, where a convolution may write it
    write_bits,
)


def rewritten(content: bytes, rules: Iterable[Rule]) -> bytes:
    """The flatbuffer after each rule has gone over each of its graphs. Raises NotAnArtifact."""
    model, rules = read_model(content), list(rules)
    for graph in model.graphs:
        for rule in rules:
            rule(graph)
    return write_model(model)
