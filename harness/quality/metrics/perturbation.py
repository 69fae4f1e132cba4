"""Insertion and deletion curves (Petsiuk et al. 2018, arXiv:1806.07421).

Pixels are ranked by the map and changed in equal portions, and the judge scores the image after each. All images are
uint8: what a board would see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.quality.inputs import Images, Maps, MetricInputs, Scores, Values
from harness.quality.metrics.baselines import baseline_images, unknown_baseline
from harness.randomness import generator


def curve_areas(maps: Maps, evidence: MetricInputs, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Scores]:
    """Areas under the curves of the metrics in `wanted`, each in 0 … 1. The judge is asked for all curves at once."""
    found = {name: _undefined(given["baseline"], evidence) for name, given in wanted.items()}
    known = {name: given for name, given in wanted.items() if not any(found[name].reasons)}
    ranks = pixel_ranks(maps, evidence)
    for steps in sorted({given["steps"] for given in known.values()}):
        names = [name for name, given in known.items() if given["steps"] == steps]
        ends = [_WAYS[name](evidence, known[name]["baseline"]) for name in names]
        curves = _curves(ends, ranks, evidence, steps)
        for name, curve in zip(names, curves):
            found[name] = Scores(values=area(curve), reasons=("",) * len(maps), curves=curve)
    return found


def area(curves: Values) -> Values:
    """(N,) trapezoidal area under curves (N, points) at equal distances over 0 … 1."""
    values: Values = np.trapz(curves, dx=1 / (curves.shape[1] - 1), axis=1)
    return values


def pixel_ranks(maps: Maps, evidence: MetricInputs) -> NDArray[np.int64]:
    """(N, H, W): 0 for the most salient pixel, each rank once. Ties fall by dice keyed by the image.

    Not in reading order: a map that is zero in places, as most class activation maps are, would be scored by where
    its zeros lie.
    """
    ranks = np.empty((len(maps), maps[0].size), np.int64)
    for i, saliency_map in enumerate(maps):
        rng = generator(evidence.seed, evidence.keys[i], 0, purpose="ties").permutation(saliency_map.size)
        ranks[i, rng[np.argsort(-saliency_map.ravel()[rng], kind="stable")]] = np.arange(saliency_map.size)
    return ranks.reshape(maps.shape)


def pixels_gone(pixels: int, steps: int) -> list[int]:
    """How many pixels have gone over at each of steps + 1 points."""
    return [pixels * step // steps for step in range(steps + 1)]


def _deletion(evidence: MetricInputs, baseline: str) -> tuple[Images, Images]:
    return evidence.images, baseline_images(evidence, baseline)


def _insertion(evidence: MetricInputs, baseline: str) -> tuple[Images, Images]:
    return baseline_images(evidence, baseline), evidence.images


_WAYS: dict[str, Callable[[MetricInputs, str], tuple[Images, Images]]] = {
    "deletion_auc": _deletion,
    "insertion_auc": _insertion,
}


def _curves(
    ends: list[tuple[Images, Images]], ranks: NDArray[np.int64], evidence: MetricInputs, steps: int
) -> list[Values]:
    """(N, steps + 1) for each (start, end); the judge is asked once for all of them."""
    assert evidence.judge is not None
    times = len(ends)
    curves = evidence.judge.curves(
        np.concatenate([start for start, _ in ends]),
        np.concatenate([end for _, end in ends]),
        np.tile(ranks, (times, 1, 1)),
        pixels_gone(ranks[0].size, steps),
        np.tile(evidence.targets, times),
    )
    return list(np.split(curves, times))


def _undefined(baseline: str, evidence: MetricInputs) -> Scores:
    count = len(evidence.images)
    return Scores(values=np.full(count, np.nan), reasons=(unknown_baseline(evidence, baseline),) * count)
