"""3x3 convolutions by Winograd's algorithm, F(4x4, 3x3): four times fewer multiplications than the definition has, for
a rounding of about 1e-5 of the greatest value (Lavin & Gray 2015, arXiv:1509.09308).
"""

from __future__ import annotations

import ctypes
import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from harness.native import build
from harness.native.arrays import aligned

Array = NDArray[np.float32]
TAPS, TILE = 3, 4
PLACES = (TILE + TAPS - 1) ** 2  # of a tile's inputs, and of a transformed kernel
# What a row of three taps is at the six points 0, 1, -1, 2, -2 and infinity.
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


@functools.cache
def is_available() -> bool:
    """Whether the library is here or can be built, which is tried once; it takes some seconds then."""
    return build.loads(_library)


class Kernel:
    """A kernel (3, 3, channels, filters), transformed once: four times as large.

    Raises BitlensError if there is no library and no compiler for it.
    """

    def __init__(self, values: Array) -> None:
        self.channels, self.filters = values.shape[2:]
        panel = _library().winograd_panel()
        self.weights = np.zeros((PLACES, -(-self.filters // panel), self.channels, panel), np.float32)
        for number in range(self.weights.shape[1]):
            taps = values[..., number * panel : (number + 1) * panel].astype(np.float64)
            points = np.einsum("ai,ijcf,bj->abcf", _TAPS_AT_POINTS, taps, _TAPS_AT_POINTS, optimize=True)
            self.weights[:, number, :, : taps.shape[3]] = points.reshape(PLACES, *taps.shape[2:])


def convolve(
    values: Array, kernel: Kernel, *, before: tuple[int, int], size: tuple[int, int], threads: int = 1
) -> Array:
    """Windows of 3x3 over images (N, H, W, channels), at every pixel: (N, *size, filters).

    before  zeros above and to the left of the images; as many follow them as `size` asks for.
    """
    if values.ndim != 4 or values.shape[3] != kernel.channels:
        raise ValueError(f"expected images (N, H, W, {kernel.channels}), got {values.shape}")
    values = np.ascontiguousarray(values, np.float32)
    result = aligned((len(values), *size, kernel.filters))
    tiles = [-(-length // TILE) for length in size]
    described = (ctypes.c_int64 * 10)(*values.shape[1:], *before, *size, kernel.filters, *tiles)
    pointers = [array.ctypes.data for array in (values, kernel.weights, result)]

    def run(first: int, last: int) -> None:
        _library().winograd_convolve(described, *pointers, first, last)

    bounds = np.linspace(0, len(values) * tiles[0] * tiles[1], threads + 1).astype(int).tolist()
    if threads == 1:
        run(*bounds)
    else:
        list(_pool(threads).map(run, bounds[:-1], bounds[1:]))
    return result


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(build.winograd_library()))
    library.winograd_panel.restype = ctypes.c_int32
    library.winograd_convolve.argtypes = (*(ctypes.c_void_p,) * 4, ctypes.c_int64, ctypes.c_int64)
    library.winograd_convolve.restype = None
    return library
