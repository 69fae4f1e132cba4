"""What an artifact is measured on: arrays that the host sent, or random values of each input's type and range.

The host says it in one plain record {"signature", "names", "shapes", "ranges", "arrays"}. The names are those of the
inputs in order, by which the others go; the shape of "" is that of an input which is not named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .perturbation import unpack

Inputs = list[NDArray[Any]]  # one array for each input of the artifact


def unique(names: Sequence[str]) -> list[str]:
    """The names of inputs as a record calls them: one that is empty, or that two share, is "input_0" by its place."""
    return [name if name and names.count(name) == 1 else f"input_{place}" for place, name in enumerate(names)]


def filled(name: str, axes: Sequence[int], wanted: Sequence[int] | None) -> list[int]:
    """The shape of an input, its open `axes` (-1 or 0) as in `wanted`. Raises ValueError for what stays open."""
    if wanted is None or len(axes) not in (0, len(wanted)):
        shape = list(axes)
    else:
        shape = [size if axis < 1 else axis for axis, size in zip(axes, wanted)] or list(wanted)
    if any(size < 1 for size in shape):
        open_shape = "x".join("?" if size < 1 else str(size) for size in shape)
        raise ValueError(f'input "{name}" has the open shape {open_shape}, and no size was given for it')
    return [int(size) for size in shape]


def measurement_inputs(tensors: Sequence[Any], record: Mapping[str, Any], *, count: int, seed: int) -> list[Inputs]:
    """Several inputs that take turns; those that were sent are the same in all of them. Raises ValueError."""
    sent = {name: unpack(packed) for name, packed in (record.get("arrays") or {}).items()}
    ranges = record.get("ranges") or {}

    def value(tensor: Any, turn: int) -> NDArray[Any]:
        if tensor.name in sent:
            return sent[tensor.name]
        try:
            bounds, scaled = ranges.get(tensor.name), bool(tensor.scale)
            return random_tensor(tensor.shape, tensor.dtype, seed=seed + turn, scaled=scaled, bounds=bounds)
        except ValueError as error:
            raise ValueError(f'input "{tensor.name}": {error}; send it an array') from error

    return [[value(tensor, turn) for tensor in tensors] for turn in range(count)]


def random_tensor(
    shape: Sequence[int], dtype: Any, *, seed: int, scaled: bool = False, bounds: Sequence[float] | None = None
) -> NDArray[Any]:
    """Random values of a shape and type, the same for the same seed. Raises ValueError for a type that has none.

    scaled  whether integers stand for real numbers.
    bounds  [low, high]: low or more, below high. By default floats are 0 to 1, and integers all that their type holds
            where they have a scale or 8 bits, as pixels do; others may be indices, of which 0 and 1 are always there.
    """
    generator, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        whole = dtype.itemsize == 1 or (scaled and dtype.itemsize == 2)
        low, high = bounds or ((limits.min, limits.max + 1) if whole else (0, 2))
        return generator.integers(int(low), int(high), shape, dtype)
    if np.issubdtype(dtype, np.inexact):
        low, high = bounds or (0.0, 1.0)
        return (low + (high - low) * generator.random(shape, np.float32)).astype(dtype)
    if dtype == np.bool_:
        return generator.integers(0, 2, shape).astype(dtype)
    raise ValueError(f"random values of the type {dtype} cannot be made")
