"""Finite differences: how the score changes when a cell of a coarse grid is raised, and lowered, by a step.

A gradient of anything that gives scores. It is the symmetric difference quotient of zeroth-order optimization, taken in
the smaller space of a grid, which that paper calls "dimension reduction" (Chen et al. 2017, arXiv:1708.03999).
"""

from __future__ import annotations

import numpy as np

from harness.errors import ConfigError
from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import over_copies, target_values
from harness.saliency.methods.scorer import Scorer


def finite_differences(
    engine: Scorer, images: Images, *, grid: int = 14, step: float = 0.1, output: str = "score"
) -> Array:
    """Attribution (N, grid, grid, 1), signed: the mean of d score / d input over each cell, as a quotient.

    All values of a cell, of all channels, go up together, and down together. What divides is the change that the model
    sees: a quantized input rounds, and white cannot go up. Two passes for each cell.

    grid    cells along each side; no more than the image has pixels there.
    step    up and down, as a fraction of max - min of each image, dimensionless.
    output  "score" (what the model returns) or "logit".
    Raises ConfigError for a step that the model does not see.
    """
    cells = _cells(images.pixels.shape[1], images.pixels.shape[2], grid)
    moved = _moved(engine, images.pixels, cells, step=step)

    def change(batch: Images, copies: list[int]) -> Array:
        pixels = batch.pixels.copy()
        ranges = np.ptp(batch.pixels, axis=(1, 2, 3))
        for i, copy in enumerate(copies):
            cell, down = divmod(copy, 2)
            pixels[i][cells[cell]] += np.float32(-step if down else step) * ranges[i]
        return pixels

    differences = np.zeros((len(images), len(cells)), np.float32)
    for i, copy, value in over_copies(
        engine, images, 2 * len(cells), change=change, measure=lambda batch: target_values(engine, batch, output)
    ):
        cell, down = divmod(copy, 2)
        differences[i, cell] += -value if down else value
    quotients = np.divide(differences, moved, out=np.zeros_like(differences), where=moved > 0)
    return quotients.reshape(len(images), min(grid, images.pixels.shape[1]), -1, 1)


def _moved(engine: Scorer, pixels: Array, cells: list[tuple[slice, slice]], *, step: float) -> Array:
    """(N, cells) how far the values of a cell go from down to up, in sum, as the model sees them."""
    height = np.float32(step) * np.ptp(pixels, axis=(1, 2, 3), keepdims=True)
    moved = engine.seen(pixels + height) - engine.seen(pixels - height)
    of_cells = np.stack([moved[:, rows, columns].sum(axis=(1, 2, 3)) for rows, columns in cells], axis=1)
    if ((of_cells == 0) & (height[:, :, 0, 0] > 0)).any():
        raise ConfigError(
            f"step: {step:g} of an image's range is less than a step of the model's quantized input",
            hint="a larger step, such as 0.1",
        )
    return np.asarray(of_cells)


def _cells(height: int, width: int, grid: int) -> list[tuple[slice, slice]]:
    """Cells row by row; sides differ by a pixel at most."""
    return [(rows, columns) for rows in _parts(height, grid) for columns in _parts(width, grid)]


def _parts(length: int, grid: int) -> list[slice]:
    count = min(grid, length)
    edges = [length * i // count for i in range(count + 1)]
    return [slice(first, last) for first, last in zip(edges, edges[1:])]
