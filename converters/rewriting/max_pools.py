"""Max pools of what is quantized next work on bits: the sign of a maximum is the maximum of the signs."""

from __future__ import annotations

from converters.rewriting.graph import Graph, Operator
from converters.rewriting.signs import Sign, quantized


def pool_bits(graph: Graph) -> None:
    """Rule: MAX_POOL_2D, whose floats only LceQuantize reads, becomes LceQuantize and LceBMaxPool2d."""
    for quantize in [operator for operator in graph.operators if operator.name == "LceQuantize"]:
        pool = graph.written_by(quantize.input(0), "MAX_POOL_2D")
        if pool is None or pool.options.fusedActivationFunction or graph.only_reader(pool.output) is not quantize:
            continue
        bits = quantized(graph, Sign(pool.input(0)))
        on_bits = Operator("LceBMaxPool2d", [bits], [quantize.output], options=_options(pool), custom=True)
        graph.replace([pool, quantize], [on_bits])


def _options(pool: Operator) -> dict[str, int]:
    options = pool.options
    return {
        "filter_height": options.filterHeight,
        "filter_width": options.filterWidth,
        "padding": options.padding,
        "stride_height": options.strideH,
        "stride_width": options.strideW,
    }
