"""Generated images with one disc each, and maps that look a little like explanations of them."""

from __future__ import annotations

from typing import Any

import numpy as np


def pictures(rng: np.random.Generator, count: int, size: int) -> tuple[Any, Any]:
    """Soft gradients with one disc each, and the disc's mask."""
    y, x = np.mgrid[:size, :size] / size
    images = np.empty((count, size, size, 3), np.uint8)
    masks = np.empty((count, size, size), bool)
    for i in range(count):
        cx, cy, radius = rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.28)
        masks[i] = np.hypot(x - cx, y - cy) < radius
        ground = rng.uniform(40, 160, 3) + 50 * (x[..., None] - y[..., None]) + 12 * rng.normal(size=(size, size, 1))
        images[i] = np.clip(np.where(masks[i][..., None], rng.uniform(60, 255, 3), ground), 0, 255)
    return images, masks


def attributions(
    rng: np.random.Generator, count: int, size: int, method: str, noise: float, binarized: bool
) -> tuple[Any, list[bool]]:
    """Maps, and which of them are blank: GradCAM of a binarized model gives one that is."""
    blank = [method == "gradcam" and binarized and i == 5 for i in range(count)]
    if method == "gradcam":
        y, x = np.mgrid[:8, :8] / 8
        maps = [np.exp(-(((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.05)) + 0.1 * rng.random((8, 8)) for _ in range(count)]
        return np.stack([m * (not b) for m, b in zip(maps, blank)]).astype(np.float32), blank
    y, x = np.mgrid[:size, :size] / size
    shape = np.exp(-(((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.06))[None, ..., None]
    values = shape * rng.normal(size=(count, size, size, 3)) + noise * 0.5 * rng.normal(size=(count, size, size, 3))
    return values.astype(np.float32), blank
