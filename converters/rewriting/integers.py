"""LCE's operators between integers: what the stock quantizer leaves in floats, since it does not know them."""

from __future__ import annotations

from converters.rewriting.graph import Graph

_WRITE_INT8 = ("LceBconv2d", "LceDequantize")


def read_integers(graph: Graph) -> None:
    """Rule: LceQuantize of DEQUANTIZE reads the integers; a number's sign is whether it is below the zero point."""
    for operator in [operator for operator in graph.operators if operator.name == "LceQuantize"]:
        dequantization = graph.written_by(operator.input(0), "DEQUANTIZE")
        if dequantization is not None and dequantization.input(0).type == "INT8":
            operator.inputs = [dequantization.input(0)]
    graph.remove_unread()


def write_integers(graph: Graph) -> None:
    """Rule: QUANTIZE to int8 of what only it reads is done by the operator itself, at the scale of its output."""
    for operator in [operator for operator in graph.operators if operator.name in _WRITE_INT8]:
        reader = graph.only_reader(operator.output)
        if reader is not None and reader.name == "QUANTIZE" and reader.output.type == "INT8":
            graph.replace([reader], [])
            operator.outputs = reader.outputs
    graph.remove_unread()
