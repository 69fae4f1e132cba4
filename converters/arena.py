"""How much memory TFLite's planner needs for activations: largest first, each in the lowest gap that fits."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

ALIGNMENT = 64  # bytes; kDefaultTensorAlignment of TFLite


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """A tensor of `size` bytes that is needed from operator `first` to operator `last`, both included."""

    first: int
    last: int
    size: int


def arena_bytes(lifetimes: Iterable[Lifetime]) -> int:
    """Size of the arena that holds all tensors, no two of one moment in the same place.

    The rule is that of TFLite's ArenaPlanner: by decreasing size, tensors that live longest first among equals.
    """
    placed: list[tuple[int, Lifetime]] = []
    for tensor in sorted(lifetimes, key=lambda t: (-t.size, t.first - t.last, t.first)):
        insort(placed, (_lowest_gap(tensor, placed), tensor), key=_offset)
    return max((offset + tensor.size for offset, tensor in placed), default=0)


def _lowest_gap(tensor: Lifetime, placed: Iterable[tuple[int, Lifetime]]) -> int:
    """`placed` are in the order of their offsets."""
    neighbours = ((at, other) for at, other in placed if other.first <= tensor.last and tensor.first <= other.last)
    offset = 0
    for at, other in neighbours:
        if offset + tensor.size <= at:
            break
        offset = max(offset, _aligned(at + other.size))
    return offset


def _offset(pair: tuple[int, Lifetime]) -> int:
    return pair[0]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
