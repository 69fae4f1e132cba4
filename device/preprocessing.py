"""The arithmetic between stored uint8 images and what a model expects, the same on the host and on a board.

The record travels with the artifact: {"height", "width", "channel_order", "mean", "scale"} (`resize` is the host's
business: images arrive here at the model's size).
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of a step: a value that lies no further below the middle of two steps counts as the middle. Float arithmetic in any
# order errs by less than 2^-13 of a step, so that no computer's last bit decides.
TIE = Fraction(1, 2048)


def preprocess(images: NDArray[Any], record: dict[str, Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """(N, H, W, C) uint8 RGB images -> (N, H, W, C) float32: (pixels in the record's channel order - mean) * scale.

    Written to `out` if it is given. Raises ValueError when the images are not uint8 or not of the record's size.
    """
    ordered = in_order(images, record)
    pixels = np.empty(ordered.shape, np.float32) if out is None else out
    count, height, width, channels = ordered.shape
    rows = pixels.reshape(count, height, width * channels)  # NumPy is slow where the last axis has three values
    np.subtract(ordered.reshape(rows.shape), np.tile(np.asarray(record["mean"], np.float32), width), out=rows)
    rows *= np.tile(np.asarray(record["scale"], np.float32), width)
    return pixels


def quantized(
    images: NDArray[Any], record: dict[str, Any], *, dtype: Any, scale: float, zero_point: int
) -> NDArray[Any]:
    """The same images as the integers (N, H, W, C) of a quantized input: (pixel - mean) * record's scale / scale, the
    nearest integer of it, plus the zero point, clipped to the type.

    Halfway between two integers (TIE) the upper one is taken: a constant shift, which keeps neighbouring pixel values
    apart, where rounding half to even would merge them in pairs. It is looked up in a table for each channel, computed
    once in exact fractions of the numbers as they are stored: the same on every computer.
    """
    ordered = in_order(images, record)
    integers = np.empty(ordered.shape, dtype)
    for channel, (mean, factor) in enumerate(zip(record["mean"], record["scale"])):
        table = _table(float(mean), float(factor), np.dtype(dtype).str, float(scale), int(zero_point))
        integers[..., channel] = table[ordered[..., channel]]
    return integers


def stored(values: NDArray[Any], *, dtype: Any, scale: float, zero_point: int) -> NDArray[Any]:
    """Values as an input keeps them: integers are rounded as by `quantized`; a scale of 0 stands for none."""
    if not np.issubdtype(dtype, np.integer):
        return np.asarray(values, dtype)
    bounds = np.iinfo(dtype)
    steps = np.floor(values.astype(np.float64) / (scale or 1.0) + zero_point + 0.5 + float(TIE))
    integers: NDArray[Any] = np.clip(steps, bounds.min, bounds.max).astype(dtype)
    return integers


@lru_cache(maxsize=64)
def _table(mean: float, factor: float, dtype: str, scale: float, zero_point: int) -> NDArray[Any]:
    """The integer of each pixel value 0 ... 255 of one channel."""
    bounds = np.iinfo(dtype)
    pixel_step = Fraction(factor) / Fraction(scale)
    black = zero_point - Fraction(mean) * pixel_step
    steps = (math.floor(black + pixel * pixel_step + Fraction(1, 2) + TIE) for pixel in range(256))
    return np.array([min(max(step, int(bounds.min)), int(bounds.max)) for step in steps], dtype)


def in_order(images: NDArray[Any], record: dict[str, Any]) -> NDArray[Any]:
    """The images with their channels in the record's order, once they are what the record expects."""
    expected = (record["height"], record["width"], len(record["mean"]))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != expected:
        raise ValueError(f"images: expected uint8 of shape (N, {expected}), got {images.dtype} of shape {images.shape}")
    return images[..., ::-1] if record["channel_order"] == "bgr" else images


def dequantize(integers: NDArray[Any], *, scale: float, zero_point: int) -> NDArray[Any]:
    """The real values that an artifact's quantized output stands for, float32."""
    return (integers.astype(np.float32) - zero_point) * np.float32(scale)
