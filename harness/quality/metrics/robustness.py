"""Robustness: how much does the map change when the image changes a little, and the class asked about stays?

max- and avg-sensitivity (Yeh et al. 2019, arXiv:1901.09392), local Lipschitz estimate (Alvarez-Melis and Jaakkola 2018,
arXiv:1806.08049). Changed images are uint8 again, so the radius is a whole number of levels; changes of a map are
divided by its norm, so that scale does not count and models can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Images, Maps, MetricInputs, Values
from harness.randomness import generator

LEVELS = 255
COPIES_AT_ONCE = 64  # bounds memory


def robustness(maps: Maps, inputs: MetricInputs, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Values]:
    """Values of the metrics in `wanted`; those with equal parameters share their copies. NaN where a copy's map is."""
    values = {}
    for radius, samples in sorted({(given["radius"], given["samples"]) for given in wanted.values()}):
        names = [name for name, given in wanted.items() if (given["radius"], given["samples"]) == (radius, samples)]
        changes, distances = _changes(maps, inputs, radius=radius, samples=samples)
        values.update({name: _SUMMARIES[name](changes, distances) for name in names})
    return values


_SUMMARIES: dict[str, Callable[[Values, Values], Values]] = {
    "max_sensitivity": lambda changes, distances: changes.max(1),
    "avg_sensitivity": lambda changes, distances: changes.mean(1),
    "local_lipschitz": lambda changes, distances: (changes / distances).max(1),
}


def _changes(maps: Maps, inputs: MetricInputs, *, radius: float, samples: int) -> tuple[Values, Values]:
    """(N, samples) change of the map over its norm, and distance of the copy from the image, pixels in 0 … 1."""
    changes, distances = np.empty((len(maps), samples)), np.empty((len(maps), samples))
    pairs = [(i, sample) for i in range(len(maps)) for sample in range(samples)]
    for first in range(0, len(pairs), COPIES_AT_ONCE):
        rows, columns = np.array(pairs[first : first + COPIES_AT_ONCE]).T
        originals = inputs.take(rows)
        copies = np.stack([_copy(inputs, i, sample, radius) for i, sample in zip(rows, columns)])
        assert inputs.explain is not None
        others = inputs.explain(copies, originals.targets, originals.keys)
        changes[rows, columns] = _norms(others - maps[rows]) / _norms(maps[rows])
        distances[rows, columns] = _norms((copies.astype(np.float64) - originals.images) / LEVELS)
    return changes, distances


def _copy(inputs: MetricInputs, i: int, sample: int, radius: float) -> Images:
    """The image with every value moved by at most `radius`, uniformly, in whole levels, within 0 … 255.

    At least one level, so that no copy is the image itself.
    """
    reach = max(1, round(radius * LEVELS))
    rng = generator(inputs.seed, inputs.keys[i], sample, purpose="robustness")
    moved = inputs.images[i] + rng.integers(-reach, reach + 1, inputs.images[i].shape)
    return np.asarray(np.clip(moved, 0, LEVELS), np.uint8)


def _norms(arrays: NDArray[Any]) -> Values:
    norms: Values = np.linalg.norm(arrays.reshape(len(arrays), -1).astype(np.float64), axis=1)
    return norms
