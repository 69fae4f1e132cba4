"""Metric inputs whose scores are known by hand: grey images with one white row, and a judge that sees the row alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge

SIZE = 16
ROW = 5


def images(count: int = 1) -> np.ndarray:
    pixels = np.full((count, SIZE, SIZE, 3), 40, np.uint8)
    pixels[:, ROW] = 240
    return pixels


def masks(count: int = 1) -> np.ndarray:
    row = np.zeros((count, SIZE, SIZE), bool)
    row[:, ROW] = True
    return row


def fraction_of_the_row_that_is_white(pixels: np.ndarray) -> np.ndarray:
    """(N, 1) scores: the class's probability is the fraction of the row's pixels that are as in the image."""
    return (pixels[:, ROW, :, 0] == 240).mean(axis=1, dtype=np.float32)[:, None]


def magnitude_of_difference(pixels: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> np.ndarray:
    """An explanation of its own: how far each pixel is from the image's mean."""
    grey = pixels.mean(axis=3)
    return np.abs(grey - grey.mean(axis=(1, 2), keepdims=True)).astype(np.float32)


def pool() -> Any:
    from harness.quality.inputs import Pool

    rng = np.random.default_rng(1)
    return Pool(
        images=rng.integers(0, 255, (6, SIZE, SIZE, 3)).astype(np.uint8),
        targets=np.array([0, 1, 1, 2, 3, 4]),
        keys=tuple("uvwxyz"),
    )


def metric_inputs(count: int = 1, **changes: Any) -> MetricInputs:
    """All that any metric needs; parts are taken away or replaced by `changes`."""
    parts: dict[str, Any] = {
        "images": images(count),
        "targets": np.zeros(count, np.int64),
        "keys": tuple(f"image {i}" for i in range(count)),
        "masks": masks(count),
        "judge": FloatJudge(fraction_of_the_row_that_is_white),
        "explain": magnitude_of_difference,
        "pool": pool(),
        "aopc_bounds": np.tile([0.0, 1.0], (count, 1)),
    }
    return MetricInputs(**{**parts, **changes})


def oracle_map() -> np.ndarray:
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, ROW] = np.linspace(1, 2, SIZE)
    return saliency_map


def random_maps(count: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, SIZE, SIZE)).astype(np.float32)
