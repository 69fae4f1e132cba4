"""Sums of two maps, each through its batch norm if it has one, and through a ReLU if there is one: in one pass."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.native.arrays import aligned
from harness.native.floats import library
from harness.native.norm import CHANNELS, Norm
from harness.native.parts import shared

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """Values (N, H, W, channels) and their norm, if they have one."""

    values: Array
    norm: Norm | None = None


def residual_sum(left: Term, right: Term, *, is_rectified: bool, threads: int = 1) -> Array:
    """The sum of two terms of one shape. Raises BitlensError if there is no library and no compiler for it."""
    shape = left.values.shape
    if right.values.shape != shape or shape[-1] % CHANNELS:
        raise ValueError(f"expected two maps of a multiple of {CHANNELS} channels, got {shape}, {right.values.shape}")
    arrays = [_arrays(term) for term in (left, right)]  # kept until the call is over
    pointers = [(ctypes.c_void_p * 5)(*(array.ctypes.data for array in of_term)) for of_term in arrays]
    result = aligned(shape)

    def run(first: int, last: int) -> None:
        library().residual_sum(*pointers, shape[-1], is_rectified, result.ctypes.data, first, last)

    shared(run, result.size // shape[-1], threads)
    return result


def _arrays(term: Term) -> list[Array]:
    return [np.ascontiguousarray(array, np.float32) for array in (term.values, *(term.norm or ()))]
