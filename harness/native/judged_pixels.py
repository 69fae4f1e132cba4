"""Pixels as a judge on the host meets them, byte for byte what `device/perturbation.py` and `device/preprocessing.py`
make of them: here in one pass each. Without the library those two do it themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device import perturbation, preprocessing
from harness.native import floats

Pixels = NDArray[np.uint8]


def between(start: Pixels, end: Pixels, ranks: NDArray[np.unsignedinteger[Any]], step: int, out: Pixels) -> None:
    """Into `out` the pixels of `end` where their rank is below the step, those of `start` elsewhere.

    start, end  (H, W, C), or (1, 1, C) for one colour.
    ranks       as `smallest_ranks` gives them.
    step        0 to H * W.
    out         (H, W, C), contiguous.
    """
    if not floats.is_available():
        out[:] = perturbation.perturbed(start, end, ranks, [step])[0]
        return
    start, end = (np.ascontiguousarray(np.broadcast_to(image, ranks.shape)) for image in (start, end))
    run = floats.library().pixels_between_16 if ranks.itemsize == 2 else floats.library().pixels_between_32
    run(start.ctypes.data, end.ctypes.data, ranks.ctypes.data, int(step), out.size, out.ctypes.data)


def smallest_ranks(ranks: NDArray[np.int64], channels: int) -> NDArray[np.unsignedinteger[Any]]:
    """(H, W), each rank once -> (H, W, channels), the same for every channel, in the smallest type: what an image costs
    is reading them."""
    smallest = np.uint16 if ranks.size < 2**16 else np.uint32
    return np.repeat(ranks.astype(smallest)[..., None], channels, axis=-1)


class Preprocessing:
    """`device.preprocessing.preprocess` by one record, into arrays that are there."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = dict(record)
        self._mean, self._scale = (
            np.tile(np.asarray(record[name], np.float32), record["width"]) for name in ("mean", "scale")
        )

    def __call__(self, images: Pixels, out: NDArray[np.float32]) -> None:
        """Images (N, H, W, C) into `out`, which is contiguous. Raises ValueError as that does."""
        if not floats.is_available():
            preprocessing.preprocess(images, self._record, out=out)
            return
        pixels = np.ascontiguousarray(preprocessing.in_order(images, self._record))
        if out.shape != pixels.shape or out.dtype != np.float32 or not out.flags.c_contiguous:
            raise ValueError(f"expected contiguous floats {pixels.shape} to write to, got {out.dtype} {out.shape}")
        mean, scale = self._mean.ctypes.data, self._scale.ctypes.data
        rows = pixels.shape[0] * pixels.shape[1]
        floats.library().scaled_pixels(pixels.ctypes.data, mean, scale, rows, self._mean.size, out.ctypes.data)
