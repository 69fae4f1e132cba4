"""Insertion and deletion between each image's own bounds (Edin et al. 2024, arXiv:2408.08137).

A confident model loses more probability than a doubtful one whatever the map is like. So the fall is put between the
lowest and the highest that any order of the cells could reach, for this model, judge and image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Maps, MetricInputs, Scores, Values
from harness.quality.metrics.baselines import baseline_images, unknown_baseline
from harness.quality.metrics.grid_cells import cell_count, cell_means, cell_numbers
from harness.randomness import generator


def deletion_naopc(maps: Maps, inputs: MetricInputs) -> Scores:
    """Comprehensiveness: 1 if no order of cells makes the probability fall faster than the most salient first."""
    return _between_bounds(maps, inputs, turned=False)


def insertion_naopc(maps: Maps, inputs: MetricInputs) -> Scores:
    """Sufficiency: 1 if no order of cells keeps the probability longer than the least salient first.

    The same path backwards uncovers the most salient cells first, hence the name.
    """
    return _between_bounds(maps, inputs, turned=True)


def _between_bounds(maps: Maps, inputs: MetricInputs, *, turned: bool) -> Scores:
    unknown = unknown_baseline(inputs, inputs.parameters["baseline"])
    if unknown:
        return Scores(values=np.full(len(maps), np.nan), reasons=(unknown,) * len(maps))
    assert inputs.aopc_bounds is not None
    low, high = inputs.aopc_bounds.T
    reached = aopc(-maps if turned else maps, inputs)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (reached - low) / np.where(high > low, high - low, np.nan)
    reasons = tuple("" if room > 0 else "no order of cells changes the probability" for room in high - low)
    return Scores(values=1 - values if turned else values, reasons=reasons)


def aopc(maps: Maps, inputs: MetricInputs) -> Values:
    """(N,) mean fall of the probability while cells turn to the baseline one by one, greatest mean of the map first."""
    size = (inputs.images.shape[1], inputs.images.shape[2])
    cells = cell_count(size, inputs.parameters["cells"])
    ranks = _ranks(cell_means(maps, cells), inputs)[:, cell_numbers(size, cells)]
    baseline = baseline_images(inputs, inputs.parameters["baseline"])
    assert inputs.judge is not None
    curves = inputs.judge.curves(inputs.images, baseline, ranks, range(cells**2 + 1), inputs.targets)
    falls: Values = (curves[:, :1] - curves[:, 1:]).mean(1)
    return falls


def _ranks(means: Values, inputs: MetricInputs) -> NDArray[np.int64]:
    """(N, cells): 0 for the cell that goes first; ties are broken at random, keyed by the image."""
    ranks = np.empty(means.shape, np.int64)
    for i, row in enumerate(means):
        rng = generator(inputs.seed, inputs.keys[i], 0, purpose="ties of cells").permutation(len(row))
        ranks[i, rng[np.argsort(-row[rng], kind="stable")]] = np.arange(len(row))
    return ranks
