"""Convolutions of floats with one tap or 3x3. The latter by Winograd's algorithm, F(4x4, 3x3): four times fewer
multiplications than the definition has, for a rounding of about 1e-5 of the greatest value (Lavin & Gray 2015,
arXiv:1509.09308).
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from harness.native.arrays import aligned
from harness.native.floats import library
from harness.native.norm import Norm
from harness.native.parts import shared

Array = NDArray[np.float32]
TILE = {1: 1, 3: 4}  # outputs in a row of a tile, by the taps in a row of a kernel
# What a row of three taps is at its tile's six points 0, 1, -1, 2, -2 and infinity.
_TAPS_AT_POINTS = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)


def places(taps: int) -> int:
    """Of a tile's inputs, and of a transformed kernel."""
    return (TILE[taps] + taps - 1) ** 2


def filters_worked_on(filters: int) -> int:
    """So many are computed for so many, since a panel of a kernel is always whole. Raises BitlensError as `Kernel`."""
    return -(-filters // _panel()) * _panel()


def _panel() -> int:
    return int(library().convolution_panel())


class Kernel:
    """A kernel (taps, taps, channels, filters) of one tap or three, transformed once: three taps four times as large.

    Raises BitlensError if there is no library and no compiler for it.
    """

    def __init__(self, values: Array) -> None:
        self.taps, _, self.channels, self.filters = values.shape
        panel, worked_on = _panel(), filters_worked_on(self.filters)
        self.weights = np.zeros((places(self.taps), worked_on // panel, self.channels, panel), np.float32)
        for number in range(self.weights.shape[1]):
            part = values[..., number * panel : (number + 1) * panel]
            self.weights[:, number, :, : part.shape[3]] = part[0] if self.taps == 1 else _at_points(part)


def _at_points(values: Array) -> NDArray[np.float64]:
    """A kernel (3, 3, channels, filters) as (places, channels, filters)."""
    points = np.einsum("ai,ijcf,bj->abcf", _TAPS_AT_POINTS, values.astype(np.float64), _TAPS_AT_POINTS, optimize=True)
    reshaped: NDArray[np.float64] = points.reshape(places(3), *values.shape[2:])
    return reshaped


def convolve(
    values: Array,
    kernel: Kernel,
    *,
    before: tuple[int, int],
    size: tuple[int, int],
    gate: Array | None = None,
    more: Array | None = None,
    opened: Array | None = None,
    bias: Array | None = None,
    norm: Norm | None = None,
    is_rectified: bool = False,
    step: int = 1,
    stride: int = 1,
    threads: int = 1,
) -> Array:
    """Windows over images (N, H, W, channels): (N, *size, filters). They are at every pixel, if nothing else is said.

    before  zeros above and to the left of the images; as many follow them as `size` asks for.
    gate    in the shape of the values: they count as zeros where it is not positive.
    more    in the shape of the result, is added to it.
    opened  in the shape of the result: it is zero where this is not positive.
    bias, norm  by filters, before `more` is added.   is_rectified  whether a ReLU comes last.
    step    pixels from one window's output to the next in each direction, for one tap; zeros are between them.
    stride  pixels from one window to the next, for one tap.
    """
    if values.ndim != 4 or values.shape[3] != kernel.channels:
        raise ValueError(f"expected images (N, H, W, {kernel.channels}), got {values.shape}")
    if (step, stride) != (1, 1) and kernel.taps != 1:
        raise ValueError(f"a step of {step} and a stride of {stride} are for one tap, not for {kernel.taps}")
    result = aligned((len(values), *size, kernel.filters))
    maps = {"gate": (gate, values.shape), "more": (more, result.shape), "opened": (opened, result.shape)}
    by_filters = {"bias": bias, **(norm._asdict() if norm else dict.fromkeys(Norm._fields))}
    maps |= {name: (given, (kernel.filters,)) for name, given in by_filters.items()}
    for name, (given, shape) in maps.items():
        if given is not None and given.shape != shape:
            raise ValueError(f"{name}: expected the shape {shape}, got {given.shape}")
    arrays = [
        None if each is None else np.ascontiguousarray(each, np.float32)
        for each in (values, *(given for given, _ in maps.values()))
    ]
    pointers = (ctypes.c_void_p * 10)(*(None if each is None else each.ctypes.data for each in (*arrays, result)))
    tiles = [-(-length // (TILE[kernel.taps] * step)) for length in size]
    described = (ctypes.c_int64 * 13)(
        *values.shape[1:], *before, *size, kernel.filters, *tiles, step, stride, is_rectified
    )

    def run(first: int, last: int) -> None:
        library().convolve_floats(described, kernel.taps, pointers, kernel.weights.ctypes.data, first, last)

    shared(run, len(values) * tiles[0] * tiles[1], threads)
    return result
