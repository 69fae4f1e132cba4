"""The arithmetic between stored uint8 images and what a model expects, the same on the host and on a board.

The record travels with the artifact: {"height", "width", "channel_order", "mean", "scale"} (`resize` is the host's
business: images arrive here at the model's size).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def preprocess(images: NDArray[Any], record: dict[str, Any]) -> NDArray[Any]:
    """(N, H, W, C) uint8 RGB images -> (N, H, W, C) float32: (pixels in the record's channel order - mean) * scale.

    Raises ValueError when the images are not uint8 or not of the record's size.
    """
    expected = (record["height"], record["width"], len(record["mean"]))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != expected:
        raise ValueError(f"images: expected uint8 of shape (N, {expected}), got {images.dtype} of shape {images.shape}")
    ordered = images[..., ::-1] if record["channel_order"] == "bgr" else images
    mean = np.asarray(record["mean"], np.float32)
    scale = np.asarray(record["scale"], np.float32)
    return np.ascontiguousarray((ordered.astype(np.float32) - mean) * scale)


def as_pixels(inputs: NDArray[Any], record: dict[str, Any]) -> NDArray[Any]:
    """The uint8 RGB images whose inputs, by `preprocess`, are nearest to these."""
    pixels = inputs / np.asarray(record["scale"], np.float32) + np.asarray(record["mean"], np.float32)
    ordered = pixels[..., ::-1] if record["channel_order"] == "bgr" else pixels
    rounded: NDArray[Any] = np.clip(np.round(ordered), 0, 255).astype(np.uint8)
    return rounded


def quantize(values: NDArray[Any], *, dtype: Any, scale: float, zero_point: int) -> NDArray[Any]:
    """Float values as the integers of an artifact's quantized input, rounded half to even and clipped to the type."""
    bounds = np.iinfo(dtype)
    integers = np.round(values / np.float32(scale)) + zero_point
    clipped: NDArray[Any] = np.clip(integers, bounds.min, bounds.max).astype(dtype)
    return clipped


def dequantize(integers: NDArray[Any], *, scale: float, zero_point: int) -> NDArray[Any]:
    """The real values that an artifact's quantized output stands for, float32."""
    return (integers.astype(np.float32) - zero_point) * np.float32(scale)
