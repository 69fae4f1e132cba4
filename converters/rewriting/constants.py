"""Constants as arrays, and the operators on constants that TFLite's converter leaves in the graph.

It folds operators on small constants only: BinaryAlexNet computes the sign of a 9216 x 4096 kernel at every inference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.rewriting.graph import Graph, Operator, Tensor, constant

Array = NDArray[Any]
DTYPES = {"FLOAT32": "<f4", "INT32": "<i4", "INT64": "<i8", "BOOL": "?"}


def value(tensor: Tensor | None) -> Array | None:
    """The numbers of a constant, in its shape; None for activations and types that no rewrite reads."""
    if tensor is None or tensor.data is None or tensor.type not in DTYPES:
        return None
    return tensor.data.view(DTYPES[tensor.type]).reshape(tensor.shape)


def scalar(tensor: Tensor | None) -> float | None:
    """The number of a constant that has one."""
    numbers = value(tensor)
    return float(numbers.reshape(-1)[0]) if numbers is not None and numbers.size == 1 else None


def per_channel(tensor: Tensor | None, channels: int) -> Array | None:
    """A float32 constant that is added to or multiplied with images as one number for each channel, (channels,)."""
    numbers = value(tensor)
    if numbers is None or numbers.dtype != np.float32 or numbers.ndim > 4:
        return None
    if numbers.size == 1:
        return np.full(channels, numbers.reshape(-1)[0], np.float32)
    return numbers.reshape(channels) if numbers.shape[-1:] == (channels,) and numbers.size == channels else None


def fold_constants(graph: Graph) -> None:
    """An operator all of whose inputs are constants is a constant: what it computes, in float32 as it would."""
    for operator in list(graph.operators):
        folded = _folded(operator)
        if folded is not None:
            operator.output.data = constant(folded).data
            graph.replace([operator], [])


def _folded(operator: Operator) -> Array | None:
    compute = _FOLDED.get(operator.name)
    inputs = [value(tensor) for tensor in operator.inputs]
    activation = getattr(operator.options, "fusedActivationFunction", 0)
    if compute is None or activation or any(array is None for array in inputs):
        return None
    result = np.asarray(compute(*inputs))
    output = operator.output
    fits = result.shape == output.shape and output.type in DTYPES and result.dtype == np.dtype(DTYPES[output.type])
    return result if fits else None


_FOLDED: dict[str, Callable[..., Array]] = {
    "SIGN": np.sign,
    "ABS": np.abs,
    "NEG": np.negative,
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "SELECT": np.where,
    "SELECT_V2": np.where,
    "TRANSPOSE": np.transpose,
    "RESHAPE": np.reshape,
}
