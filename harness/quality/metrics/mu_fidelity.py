"""MuFidelity (Bhatt et al. 2020, arXiv:2005.00631, definition 3): is the map's mass what the probability loses?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality.agreement_metrics import spearman
from harness.quality.inputs import Maps, MetricInputs, Scores, Values
from harness.quality.metrics.baselines import baseline_images, unknown_baseline
from harness.quality.metrics.grid_cells import cell_count, cell_numbers
from harness.randomness import generator


def mu_fidelity(maps: Maps, inputs: MetricInputs) -> Scores:
    """Rank correlation, over random subsets of cells, of the map's sum in the subset and the fall of the probability.

    Ranks, as in xplique, and not the paper's linear correlation: a probability is not linear in anything. Subsets are
    of one size, as in the paper, keyed by image. NaN where no subset changes the probability.
    """
    unknown = unknown_baseline(inputs, inputs.parameters["baseline"])
    if unknown:
        return Scores(values=np.full(len(maps), np.nan), reasons=(unknown,) * len(maps))
    values, reasons = np.full(len(maps), np.nan), [""] * len(maps)
    for i in range(len(maps)):  # image by image: memory is bounded by the subsets of one
        subsets = random_subsets(inputs, i)
        removed = maps[i].astype(np.float64).ravel() @ subsets.reshape(len(subsets), -1).T
        falls = _falls(inputs.take(np.array([i])), subsets)
        if np.ptp(falls) == 0 or np.ptp(removed) == 0:
            what = "probability" if np.ptp(falls) == 0 else "mass of the map"
            reasons[i] = f"all subsets change the {what} alike"
        else:
            values[i] = spearman(removed[None], falls[None])[0]
    return Scores(values=values, reasons=tuple(reasons))


def random_subsets(inputs: MetricInputs, i: int) -> NDArray[np.bool_]:
    """(samples, H, W): true where a subset's cells are."""
    size = (inputs.images.shape[1], inputs.images.shape[2])
    cells = cell_count(size, inputs.parameters["cells"])
    chosen = max(1, round(inputs.parameters["subset"] * cells**2))
    numbers = cell_numbers(size, cells)
    subsets = []
    for sample in range(inputs.parameters["samples"]):
        rng = generator(inputs.seed, inputs.keys[i], sample, purpose="mu_fidelity")
        picked = np.zeros(cells**2, bool)
        picked[rng.permutation(cells**2)[:chosen]] = True
        subsets.append(picked[numbers])
    return np.stack(subsets)


def _falls(inputs: MetricInputs, subsets: NDArray[np.bool_]) -> Values:
    """(samples,) the probability of the whole image minus that without each subset, for the inputs of one image."""
    assert inputs.judge is not None
    image, other = inputs.images[0], baseline_images(inputs, inputs.parameters["baseline"])[0]
    changed = np.where(subsets[..., None], other, image)
    scores = inputs.judge.scores(np.concatenate([inputs.images, changed]), np.repeat(inputs.targets, len(changed) + 1))
    falls: Values = scores[0] - scores[1:]
    return falls
