"""Insertion and deletion curves (Petsiuk et al. 2018, arXiv:1806.07421).

Pixels are ranked by the map and changed in equal portions, and the judge scores the image after each. All images are
uint8: what a board would see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality import Evidence, Images, Maps, Values

BLUR_SIGMA = 0.1  # of the shorter side: wide enough to hide the object, and no foreign colour is brought in
IMAGES_AT_ONCE = 4  # bounds memory: this many images x (steps + 1) are held at a time


def deletion_auc(maps: Maps, evidence: Evidence) -> Values:
    """Area under the judge's probability while the most salient pixels turn to the image's mean colour. In 0 … 1."""
    return _areas(maps, evidence, evidence.images, _mean_colour(evidence.images))


def insertion_auc(maps: Maps, evidence: Evidence) -> Values:
    """Area under the judge's probability while the most salient pixels of a blurred image are uncovered. In 0 … 1."""
    return _areas(maps, evidence, _blurred(evidence.images), evidence.images)


def _areas(maps: Maps, evidence: Evidence, start: Images, end: Images) -> Values:
    """Trapezoidal area of the curve from `start` to `end`; NaN where the map is blank and ranks nothing."""
    areas = np.full(len(maps), np.nan)
    informative = np.flatnonzero(np.ptp(maps.reshape(len(maps), -1), axis=1) > 0)
    for first in range(0, len(informative), IMAGES_AT_ONCE):
        chosen = informative[first : first + IMAGES_AT_ONCE]
        stages = [_stages(maps[i], start[i], end[i], evidence.steps) for i in chosen]
        targets = np.repeat(evidence.targets[chosen], evidence.steps + 1)
        curves = evidence.score(np.concatenate(stages), targets).reshape(len(chosen), -1)
        areas[chosen] = np.trapz(curves, dx=1 / evidence.steps, axis=1)
    return areas


def _stages(saliency_map: NDArray[np.float32], start: NDArray[np.uint8], end: NDArray[np.uint8], steps: int) -> Images:
    """(steps + 1, H, W, C): `start` with 0, 1, … all portions of its most salient pixels taken from `end`."""
    portion = _portions(saliency_map, steps)
    replaced = portion[None] < np.arange(steps + 1)[:, None, None]
    return np.where(replaced[..., None], end[None], start[None])


def _portions(saliency_map: NDArray[np.float32], steps: int) -> NDArray[np.int64]:
    """(H, W): the portion, 0 … steps - 1, in which each pixel is changed. Ties fall in reading order."""
    order = np.argsort(-saliency_map, axis=None, kind="stable")
    portion = np.empty(order.size, np.int64)
    portion[order] = np.arange(order.size) * steps // order.size
    return portion.reshape(saliency_map.shape)


def _mean_colour(images: Images) -> Images:
    means = np.round(images.mean((1, 2), keepdims=True)).astype(np.uint8)
    return np.broadcast_to(means, images.shape)


def _blurred(images: Images) -> Images:
    from scipy.ndimage import gaussian_filter

    sigma = BLUR_SIGMA * min(images.shape[1:3])
    return np.stack([gaussian_filter(image, (sigma, sigma, 0), mode="nearest") for image in images])
