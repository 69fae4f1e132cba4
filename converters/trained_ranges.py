"""Whether a model brings ranges of its own for int8."""

from __future__ import annotations

from typing import Any

from converters.refusals import operations
from converters.tflite import scores_function


def has_trained_ranges(model: Any) -> bool:
    """Whether the model went through quantization-aware training: its graph then holds fake quantization."""
    graph = scores_function(model).get_concrete_function().graph
    return any(operation.op.startswith(("FakeQuant", "QuantizeAndDequantize")) for operation in operations(graph))
