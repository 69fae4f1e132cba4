"""Insertion and deletion between each image's own limits (Edin et al. 2024, arXiv:2408.08137).

A confident network loses more probability than a doubtful one whatever the map is like. So the fall is put between the
lowest and the highest that any order of the cells could reach, for this network, judge and image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Maps, MetricInputs, Scores, Values
from harness.quality.metrics.baselines import baseline_images, unknown_baseline
from harness.quality.metrics.grid_cells import cell_count, cell_means, cell_numbers
from harness.randomness import generator


def deletion_naopc(maps: Maps, evidence: MetricInputs) -> Scores:
    """Comprehensiveness: 1 if no order of cells makes the probability fall faster than the most salient first."""
    return _between_limits(maps, evidence, turned=False)


def insertion_naopc(maps: Maps, evidence: MetricInputs) -> Scores:
    """Sufficiency: 1 if no order of cells keeps the probability longer than the least salient first.

    The same path backwards uncovers the most salient cells first, hence the name.
    """
    return _between_limits(maps, evidence, turned=True)


def _between_limits(maps: Maps, evidence: MetricInputs, *, turned: bool) -> Scores:
    unknown = unknown_baseline(evidence, evidence.parameters["baseline"])
    if unknown:
        return Scores(values=np.full(len(maps), np.nan), reasons=(unknown,) * len(maps))
    assert evidence.limits is not None
    low, high = evidence.limits.T
    found = aopc(-maps if turned else maps, evidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (found - low) / np.where(high > low, high - low, np.nan)
    reasons = tuple("" if room > 0 else "no order of cells changes the probability" for room in high - low)
    return Scores(values=1 - values if turned else values, reasons=reasons)


def aopc(maps: Maps, evidence: MetricInputs) -> Values:
    """(N,) mean fall of the probability while cells turn to the baseline one by one, greatest mean of the map first."""
    size = (evidence.images.shape[1], evidence.images.shape[2])
    cells = cell_count(size, evidence.parameters["cells"])
    ranks = _ranks(cell_means(maps, cells), evidence)[:, cell_numbers(size, cells)]
    baseline = baseline_images(evidence, evidence.parameters["baseline"])
    assert evidence.judge is not None
    curves = evidence.judge.curves(evidence.images, baseline, ranks, range(cells**2 + 1), evidence.targets)
    falls: Values = (curves[:, :1] - curves[:, 1:]).mean(1)
    return falls


def _ranks(means: Values, evidence: MetricInputs) -> NDArray[np.int64]:
    """(N, cells): 0 for the cell that goes first; ties fall by dice keyed by the image."""
    ranks = np.empty(means.shape, np.int64)
    for i, row in enumerate(means):
        rng = generator(evidence.seed, evidence.keys[i], 0, purpose="ties of cells").permutation(len(row))
        ranks[i, rng[np.argsort(-row[rng], kind="stable")]] = np.arange(len(row))
    return ranks
