"""Sums of two maps, each through its batch norm if it has one, and through a ReLU if there is one: in one pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.native import floats
from harness.native.norm import CHANNELS, Norm, maps_of


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """Values (N, H, W, channels) and their norm, if they have one."""

    values: Any
    norm: Norm | None = None


def residual_sum(left: Term, right: Term, *, is_rectified: bool, threads: int = 1) -> Any:
    """The sum of two terms of one shape. Raises BitlensError if there is no library and no compiler for it."""
    shapes = [tuple(term.values.shape) for term in (left, right)]
    if shapes[0] != shapes[1] or shapes[0][-1] % CHANNELS:
        raise ValueError(f"expected two maps of a multiple of {CHANNELS} channels, got {shapes[0]}, {shapes[1]}")
    maps = {
        f"{side} {name}": each
        for side, term in {"left": left, "right": right}.items()
        for name, each in {"values": term.values, **maps_of(term.norm)}.items()
    }
    _, *shape = shapes[0]
    numbers = (math.prod(shape[:-1]), shape[-1], is_rectified)
    return floats.call("bitlens_residual_sum", maps, numbers=numbers, shape=shape, threads=threads)
