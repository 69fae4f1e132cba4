"""A grid of cells over an image: what metrics rank that change whole patches and not pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Maps, Values


def cell_numbers(size: tuple[int, int], cells: int) -> NDArray[np.int64]:
    """(H, W): which of the cells * cells cells each pixel lies in, in reading order. Cells are as equal as can be."""
    rows, columns = (np.arange(side) * cells // side for side in size)
    return np.asarray(rows[:, None] * cells + columns, np.int64)


def cell_count(size: tuple[int, int], cells: int) -> int:
    """Cells along each side that an image has room for."""
    return min(cells, *size)


def cell_means(maps: Maps, cells: int) -> Values:
    """(N, cells * cells) mean of each map in each cell."""
    numbers = cell_numbers((maps.shape[1], maps.shape[2]), cells).ravel()
    sizes = np.bincount(numbers, minlength=cells**2)
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    return np.stack([np.bincount(numbers, weights=row, minlength=cells**2) / sizes for row in flat])
