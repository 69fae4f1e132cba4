"""Occlusion: how the score falls when a window of the image is covered (Zeiler & Fergus 2013, arXiv:1311.2901).

Forward passes only, so it works for models without gradients too.
"""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import baseline_of, over_copies, target_values
from harness.saliency.methods.scorer import Scorer


def occlusion(
    engine: Scorer,
    images: Images,
    *,
    window: float = 0.2,
    stride: float = 0.1,
    baseline: str = "zero",
    output: str = "score",
) -> Array:
    """Map (N, H, W), signed: mean fall of the target's score over all windows that cover a pixel.

    window, stride  side of the window and its step, as fractions of the image's shorter side.
    baseline        what covers the window, see copies.BASELINES.
    output          "score" (what the model returns) or "logit".
    """
    height, width = images.pixels.shape[1:3]
    windows = _windows(height, width, window=window, stride=stride)

    def change(batch: Images, copies: list[int]) -> Array:
        pixels, cover = batch.pixels.copy(), baseline_of(batch.pixels, baseline)
        for i, copy in enumerate(copies):
            pixels[i][windows[copy]] = cover[i][windows[copy]]
        return pixels

    plain = target_values(engine, images, output)
    total, covered = np.zeros((len(images), height, width), np.float32), np.zeros((height, width), np.float32)
    for rows, columns in windows:
        covered[rows, columns] += 1
    for i, copy, value in over_copies(
        engine, images, len(windows), change=change, measure=lambda batch: target_values(engine, batch, output)
    ):
        total[i][windows[copy]] += plain[i] - value
    return np.asarray(total / covered)


def _windows(height: int, width: int, *, window: float, stride: float) -> list[tuple[slice, slice]]:
    """Windows that cover every pixel; the last one in each direction ends at the edge."""
    side = max(1, round(window * min(height, width)))
    step = min(side, max(1, round(stride * min(height, width))))
    return [
        (slice(y, y + side), slice(x, x + side))
        for y in _starts(height, side, step)
        for x in _starts(width, side, step)
    ]


def _starts(length: int, side: int, step: int) -> list[int]:
    starts = list(range(0, length - side, step))
    return [*starts, length - side]
