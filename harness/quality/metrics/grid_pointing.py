"""Grid pointing game (Boehle et al. 2021, arXiv:2104.00032): does the map find its class among others, unannotated?

Four images of four classes make a mosaic; the method is asked for the class of one of them. In the paper the mosaic is
larger than the model's input; here the images are shrunk, so that models of one input size can play.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Images, Maps, MetricInputs, Pool, Scores
from harness.randomness import generator

QUARTERS = 4
MOSAICS_AT_ONCE = 64  # bounds memory


def grid_pointing_game(maps: Maps, inputs: MetricInputs) -> Scores:
    """Fraction of the positive values that lies on the image's own quarter, 0 … 1; the maps given are not looked at."""
    values, reasons = np.full(len(maps), np.nan), [""] * len(maps)
    others = [_other_images(inputs, i) for i in range(len(maps))]
    able = [i for i, indices in enumerate(others) if len(indices) == QUARTERS - 1]
    for first in range(0, len(able), MOSAICS_AT_ONCE):
        chosen = np.array(able[first : first + MOSAICS_AT_ONCE])
        places = [_place(inputs, i) for i in chosen]
        mosaics = np.stack([_mosaic(inputs, i, others[i], place) for i, place in zip(chosen, places)])
        asked = inputs.take(chosen)
        assert inputs.explain is not None
        mosaic_maps = inputs.explain(mosaics, asked.targets, asked.keys)
        for i, place, saliency_map in zip(chosen, places, mosaic_maps):
            values[i], reasons[i] = _fraction_inside(saliency_map, place)
    for i in set(range(len(maps))) - set(able):
        reasons[i] = "the pool has no three other classes"
    return Scores(values=values, reasons=tuple(reasons))


def _other_images(inputs: MetricInputs, i: int) -> list[int]:
    """Indices of three random images of the pool, whose classes differ from the image's and from each other."""
    pool = inputs.pool
    assert isinstance(pool, Pool)
    chosen: list[int] = []
    seen = {int(inputs.targets[i])}
    order = sorted(range(len(pool.keys)), key=lambda index: pool.keys[index])  # the pool's order must not matter
    for index in generator(inputs.seed, inputs.keys[i], 0, purpose="mosaic").permutation(order):
        if int(pool.targets[index]) not in seen and len(chosen) < QUARTERS - 1:
            seen.add(int(pool.targets[index]))
            chosen.append(int(index))
    return chosen


def _place(inputs: MetricInputs, i: int) -> int:
    return int(generator(inputs.seed, inputs.keys[i], 1, purpose="mosaic").integers(QUARTERS))


def _mosaic(inputs: MetricInputs, i: int, others: list[int], place: int) -> Images:
    assert inputs.pool is not None
    quarters = [_halved(inputs.pool.images[index]) for index in others]
    quarters.insert(place, _halved(inputs.images[i]))
    mosaic = np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])])
    rows, columns = (have - got for have, got in zip(inputs.images.shape[1:3], mosaic.shape))
    return np.pad(mosaic, ((0, rows), (0, columns), (0, 0)), mode="edge")  # odd sides lack one row or column


def _halved(image: Images) -> Images:
    """Half as high and wide, by the mean of every 2 x 2 pixels."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    return np.asarray(np.round(blocks.mean((1, 3))), np.uint8)


def _fraction_inside(saliency_map: Maps, place: int) -> tuple[float, str]:
    if not np.isfinite(saliency_map).all():
        return np.nan, "the mosaic's map holds NaN or infinite values"
    positive: NDArray[np.float64] = np.maximum(saliency_map.astype(np.float64), 0)
    if not positive.any():
        return np.nan, "the mosaic's map is nowhere positive"
    height, width = positive.shape[0] // 2, positive.shape[1] // 2
    top, left = (place // 2) * height, (place % 2) * width
    quarters = positive[: 2 * height, : 2 * width]
    inside = quarters[top : top + height, left : left + width].sum()
    return (float(inside / quarters.sum()), "") if quarters.any() else (np.nan, "the mosaic's map lies on its border")
