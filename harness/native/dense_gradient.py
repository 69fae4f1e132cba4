"""Gradients of dense layers by their inputs, for few images and many weights: each weight is read once, as it lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.native.arrays import aligned
from harness.native.floats import library
from harness.native.parts import shared

Array = NDArray[np.float32]


def dense_gradient(upstream: Array, weights: Array, *, threads: int = 1) -> Array:
    """Gradients by the outputs (N, units) times weights (inputs, units): those by the inputs, (N, inputs).

    Raises BitlensError if there is no library and no compiler for it.
    """
    if upstream.ndim != 2 or weights.ndim != 2 or upstream.shape[1] != weights.shape[1]:
        raise ValueError(f"expected (N, units) and (inputs, units), got {upstream.shape} and {weights.shape}")
    upstream, weights = (np.ascontiguousarray(array, np.float32) for array in (upstream, weights))
    inputs, units = weights.shape
    result = aligned((len(upstream), inputs))

    def run(first: int, last: int) -> None:
        library().dense_gradient(
            upstream.ctypes.data, len(upstream), weights.ctypes.data, units, result.ctypes.data, inputs, first, last
        )

    shared(run, inputs, threads)
    return result
