"""Gradients of dense layers by their inputs, for few images and many weights: each weight is read once, as it lies."""

from __future__ import annotations

from typing import Any

from harness.native import floats


def dense_gradient(upstream: Any, weights: Any, *, threads: int = 1) -> Any:
    """Gradients by the outputs (N, units) times weights (inputs, units): those by the inputs, (N, inputs).

    Raises BitlensError if there is no library and no compiler for it.
    """
    if len(upstream.shape) != 2 or len(weights.shape) != 2 or upstream.shape[1] != weights.shape[1]:
        raise ValueError(f"expected (N, units) and (inputs, units), got {upstream.shape} and {weights.shape}")
    inputs, units = map(int, weights.shape)
    maps = {"upstream": upstream, "weights": weights}
    return floats.call("bitlens_dense_gradient", maps, numbers=(inputs, units), shape=(inputs,), threads=threads)
