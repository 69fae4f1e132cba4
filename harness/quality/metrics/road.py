"""ROAD: remove pixels so that it cannot be seen where (Rong et al. 2022, arXiv:2202.00449).

A pixel that turns to a flat colour leaves the outline of the map in the image, and the model may answer to that.
Noisy linear imputation paints over removed pixels: each becomes the weighted mean of its eight neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Images, Maps, MetricInputs, Values
from harness.quality.metrics.perturbation import pixel_ranks
from harness.randomness import generator

DIRECT, DIAGONAL = 1 / 6, 1 / 12  # the paper's weights
NOISE = 0.01 * 255  # sigma in levels: hides that a pixel is exactly between its neighbours


def road(maps: Maps, inputs: MetricInputs) -> Values:
    """Probability with the least salient pixels painted over minus that with the most salient ones, -1 … 1.

    The mean over equally spaced fractions of the pixels; both orders together, so that the fall that any removal causes
    cancels out. The paper counts right answers, here the probability is taken: one image gives a value.
    """
    assert inputs.judge is not None
    ranks = pixel_ranks(maps, inputs)
    steps = inputs.parameters["shares"]
    values = np.empty(len(maps))
    for i in range(len(maps)):  # image by image: memory is bounded by the steps of one
        changed = np.stack(list(_painted(inputs, i, ranks[i], steps)))
        scores = inputs.judge.scores(changed, np.repeat(inputs.targets[i], len(changed)))
        values[i] = (scores[:steps] - scores[steps:]).mean()
    return values


def _painted(inputs: MetricInputs, i: int, ranks: NDArray[np.int64], steps: int) -> Iterator[Images]:
    """The image without its least salient pixels at each step, then without its most salient ones."""
    for order in (ranks.size - 1 - ranks, ranks):
        for step in range(1, steps + 1):
            rng = generator(inputs.seed, inputs.keys[i], step, purpose="road")
            noise = rng.normal(0, NOISE, inputs.images[i].shape)
            yield impute(inputs.images[i], order < ranks.size * step // (steps + 1), noise)


def impute(image: Images, missing: NDArray[np.bool_], noise: NDArray[np.float64] | float = 0.0) -> Images:
    """uint8 image whose missing pixels are each the weighted mean of their neighbours, plus noise."""
    from scipy.sparse.linalg import splu

    if not missing.any() or missing.all():
        return image
    matrix, known = _equations(image.astype(np.float64), missing)
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    painted = image.astype(np.float64)
    painted[missing] = factors.solve(known)
    painted += np.where(missing[..., None], noise, 0)
    return np.asarray(np.clip(np.round(painted), 0, 255), np.uint8)


def _equations(image: NDArray[np.float64], missing: NDArray[np.bool_]) -> tuple[Any, NDArray[np.float64]]:
    """(matrix, right side): for each missing pixel, sum of weights * (pixel - neighbour) = 0 over neighbours inside.

    Symmetric and positive definite, as long as one pixel is known.
    """
    from scipy.sparse import csc_matrix

    count = int(missing.sum())
    numbers = np.full(
        (missing.shape[0] + 2, missing.shape[1] + 2), -2
    )  # -2 outside, -1 known, else the unknown's number
    numbers[1:-1, 1:-1] = -1
    numbers[1:-1, 1:-1][missing] = np.arange(count)
    rows, columns = np.nonzero(missing)
    diagonal, known = np.zeros(count), np.zeros((count, image.shape[2]))
    entries = []
    for down, right in [(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1) if (d, r) != (0, 0)]:
        weight = DIAGONAL if down and right else DIRECT
        neighbours = numbers[rows + 1 + down, columns + 1 + right]
        diagonal += weight * (neighbours > -2)
        here = np.flatnonzero(neighbours == -1)
        known[here] += weight * image[rows[here] + down, columns[here] + right]
        there = np.flatnonzero(neighbours >= 0)
        entries.append((np.full(len(there), -weight), there, neighbours[there]))
    entries.append((diagonal, np.arange(count), np.arange(count)))
    values, from_, to = (np.concatenate(part) for part in zip(*entries))
    return csc_matrix((values, (from_, to)), shape=(count, count)), known
