"""Convolutions of floats with one tap or 3x3. The latter by Winograd's algorithm, F(4x4, 3x3): four times fewer
multiplications than the definition has, for a rounding of about 1e-5 of the greatest value (Lavin & Gray 2015,
arXiv:1509.09308).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.native import floats
from harness.native.norm import Norm, maps_of

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
    panel = _panel()
    return -(-filters // panel) * panel


def _panel() -> int:
    return int(floats.library().convolution_panel())


class Kernel:
    """A kernel (taps, taps, channels, filters) of one tap or three, transformed once: three taps four times as large.

    Raises BitlensError if there is no library and no compiler for it.
    """

    def __init__(self, values: Array) -> None:
        import tensorflow as tf

        self.taps, _, self.channels, self.filters = values.shape
        panel, worked_on = _panel(), filters_worked_on(self.filters)
        weights = np.zeros((places(self.taps), worked_on // panel, self.channels, panel), np.float32)
        for number in range(weights.shape[1]):
            part = values[..., number * panel : (number + 1) * panel]
            weights[:, number, :, : part.shape[3]] = part[0] if self.taps == 1 else _at_points(part)
        with tf.init_scope():  # not a part of what is traced
            self.weights = tf.constant(weights)


def _at_points(values: Array) -> NDArray[np.float64]:
    """A kernel (3, 3, channels, filters) as (places, channels, filters)."""
    points = np.einsum("ai,ijcf,bj->abcf", _TAPS_AT_POINTS, values.astype(np.float64), _TAPS_AT_POINTS, optimize=True)
    reshaped: NDArray[np.float64] = points.reshape(places(3), *values.shape[2:])
    return reshaped


def convolve(
    values: Any,
    kernel: Kernel,
    *,
    before: tuple[int, int],
    size: tuple[int, int],
    gate: Any = None,
    more: Any = None,
    opened: Any = None,
    bias: Any = None,
    norm: Norm | None = None,
    is_rectified: bool = False,
    step: int = 1,
    stride: int = 1,
    threads: int = 1,
) -> Any:
    """Windows over images (N, H, W, channels): (N, *size, filters). They are at every pixel, if nothing else is said.

    before  zeros above and to the left of the images; as many follow them as `size` asks for.
    gate    in the shape of the values: they count as zeros where it is not positive.
    more    in the shape of the result, is added to it.
    opened  in the shape of the result: it is zero where this is not positive.
    bias, norm  by filters, before `more` is added.   is_rectified  whether a ReLU comes last.
    step    pixels from one window's output to the next in each direction, for one tap; zeros are between them.
    stride  pixels from one window to the next, for one tap.
    """
    if len(values.shape) != 4 or values.shape[3] != kernel.channels:
        raise ValueError(f"expected images (N, H, W, {kernel.channels}), got {tuple(values.shape)}")
    if (step, stride) != (1, 1) and kernel.taps != 1:
        raise ValueError(f"a step of {step} and a stride of {stride} are for one tap, not for {kernel.taps}")
    shape, filters = (*size, kernel.filters), (kernel.filters,)
    of_values, of_result = tuple(values.shape), (values.shape[0], *shape)
    norms = maps_of(norm)
    wanted = {
        "gate": of_values,
        "more": of_result,
        "opened": of_result,
        "bias": filters,
        **dict.fromkeys(norms, filters),
    }
    maps = {"gate": gate, "more": more, "opened": opened, "bias": bias, **norms}
    for name, given in maps.items():
        if given is not None and tuple(given.shape) != wanted[name]:
            raise ValueError(f"{name}: expected the shape {wanted[name]}, got {tuple(given.shape)}")
    tiles = [-(-length // (TILE[kernel.taps] * step)) for length in size]
    numbers = (kernel.taps, *of_values[1:], *before, *shape, *tiles, step, stride, is_rectified)
    maps = {"values": values, "weights": kernel.weights, **maps}
    return floats.call("bitlens_convolution", maps, numbers=numbers, shape=shape, threads=threads)
