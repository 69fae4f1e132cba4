"""The bounds of AOPC: how fast and how slowly the probability could fall, over all orders of removing cells.

All orders are too many. As in the paper (Edin et al. 2024, arXiv:2408.08137) a beam search looks for the extreme ones:
at every step it removes each remaining cell from each of the best orders so far and keeps the best. Passes per image:
about beam * cells**4, both bounds together (cells**2 cells, cells**2 / 2 of them left on average).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Images, MetricInputs, Values
from harness.quality.metrics.baselines import baseline_images, unknown_baseline
from harness.quality.metrics.grid_cells import cell_count, cell_numbers

Cells = frozenset[int]  # those that are gone
IMAGES_AT_ONCE = 256  # bounds memory: the judge gets so many changed images at a time


def aopc_bounds(inputs: MetricInputs) -> Values:
    """(N, 2) lowest and highest AOPC of each image, by `inputs.parameters` "cells", "beam" and "baseline".

    NaN where the baseline is not known. Once per model, judge, images, baseline and grid: no map is asked for.
    """
    count = len(inputs.images)
    if unknown_baseline(inputs, inputs.parameters["baseline"]):
        return np.full((count, 2), np.nan)
    size = (inputs.images.shape[1], inputs.images.shape[2])
    cells = cell_count(size, inputs.parameters["cells"])
    numbers, beam = cell_numbers(size, cells), inputs.parameters["beam"]
    falls = _Falls(inputs, numbers)
    lowest = [[_Order(gone=frozenset(), total=0.0)] for _ in range(count)]
    highest = [[_Order(gone=frozenset(), total=0.0)] for _ in range(count)]
    for _ in range(cells**2):
        longer = [_longer(lowest[i], cells**2) | _longer(highest[i], cells**2) for i in range(count)]
        known = falls.of(longer)
        lowest = [_extended(lowest[i], known[i], beam, sign=1) for i in range(count)]
        highest = [_extended(highest[i], known[i], beam, sign=-1) for i in range(count)]
    return np.array([[low[0].total, high[0].total] for low, high in zip(lowest, highest)]) / cells**2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """The beginning of an order of cells: which are gone, and the sum of the falls on the way."""

    gone: Cells
    total: float


def _longer(orders: list[_Order], cells: int) -> set[Cells]:
    return {order.gone | {cell} for order in orders for cell in range(cells) if cell not in order.gone}


def _extended(orders: list[_Order], falls: dict[Cells, float], beam: int, *, sign: int) -> list[_Order]:
    """The `beam` best orders that are one cell longer; of those that reach the same set, the best one."""
    best: dict[Cells, float] = {}
    for order in orders:
        for gone, fall in falls.items():
            if len(gone - order.gone) == 1:
                total = order.total + fall
                best[gone] = min(best.get(gone, total), total, key=lambda value: sign * value)
    ranked = sorted(best.items(), key=lambda item: (sign * item[1], sorted(item[0])))
    return [_Order(gone=gone, total=total) for gone, total in ranked[:beam]]


class _Falls:
    """The fall of each image's probability when sets of cells are gone."""

    def __init__(self, inputs: MetricInputs, numbers: NDArray[np.int64]) -> None:
        assert inputs.judge is not None
        self._inputs, self._numbers, self._judge = inputs, numbers, inputs.judge
        self._baseline = baseline_images(inputs, inputs.parameters["baseline"])
        self._whole = self._judge.scores(inputs.images, inputs.targets)

    def of(self, wanted: list[set[Cells]]) -> list[dict[Cells, float]]:
        """For each image the falls of its sets; images share the judge's batches."""
        pairs = [(i, gone) for i, sets in enumerate(wanted) for gone in sorted(sets, key=sorted)]
        falls: list[dict[Cells, float]] = [{} for _ in wanted]
        for chunk in _chunks(pairs):
            images = np.stack([self._changed(i, gone) for i, gone in chunk])
            targets = self._inputs.targets[[i for i, _ in chunk]]
            for (i, gone), score in zip(chunk, self._judge.scores(images, targets)):
                falls[i][gone] = float(self._whole[i] - score)
        return falls

    def _changed(self, i: int, gone: Cells) -> Images:
        is_gone = np.zeros(self._numbers.max() + 1, bool)
        is_gone[list(gone)] = True
        return np.where(is_gone[self._numbers][..., None], self._baseline[i], self._inputs.images[i])


def _chunks(pairs: list[tuple[int, Cells]]) -> Iterator[list[tuple[int, Cells]]]:
    for first in range(0, len(pairs), IMAGES_AT_ONCE):
        yield pairs[first : first + IMAGES_AT_ONCE]
