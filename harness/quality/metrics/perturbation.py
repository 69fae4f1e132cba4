"""Insertion and deletion curves (Petsiuk et al. 2018, arXiv:1806.07421).

Pixels are ranked by the map and changed in equal portions, and the judge scores the image after each. All images are
uint8: what a board would see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from harness.quality.inputs import Images, Maps, MetricInputs, Scores, Values
from harness.quality.metrics.baselines import baseline_images, unknown_baseline
from harness.randomness import generator


def curve_areas(maps: Maps, inputs: MetricInputs, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Scores]:
    """Areas under the curves of the metrics in `wanted`, each in 0 … 1. The judge is asked for all curves at once."""
    scores = {name: _undefined(given["baseline"], inputs) for name, given in wanted.items()}
    known = {name: given for name, given in wanted.items() if not any(scores[name].reasons)}
    ranks = pixel_ranks(maps, inputs)
    for steps in sorted({given["steps"] for given in known.values()}):
        names = [name for name, given in known.items() if given["steps"] == steps]
        ends = [_WAYS[name](inputs, known[name]["baseline"]) for name in names]
        curves = _curves(ends, ranks, inputs, steps)
        for name, curve in zip(names, curves):
            scores[name] = Scores(values=area(curve), reasons=("",) * len(maps), curves=curve)
    return scores


def area(curves: Values) -> Values:
    """(N,) trapezoidal area under curves (N, points) at equal distances over 0 … 1."""
    values: Values = trapezoid(curves, dx=1 / (curves.shape[1] - 1), axis=1)
    return values


def pixel_ranks(maps: Maps, inputs: MetricInputs) -> NDArray[np.int64]:
    """(N, H, W): 0 for the most salient pixel, each rank once. Ties are broken at random, keyed by the image.

    Not in reading order: a map that is zero in places, as most class activation maps are, would be scored by where
    its zeros lie.
    """
    ranks = np.empty((len(maps), maps[0].size), np.int64)
    for i, saliency_map in enumerate(maps):
        values = -saliency_map.ravel()
        order = np.argsort(values)  # in a fraction of the time of a stable one
        if _has_ties(values[order]):
            shuffled = generator(inputs.seed, inputs.keys[i], 0, purpose="ties").permutation(values.size)
            order = shuffled[np.argsort(values[shuffled], kind="stable")]
        ranks[i, order] = np.arange(values.size)
    return ranks.reshape(maps.shape)


def _has_ties(ascending: Values) -> bool:
    return bool(np.any(ascending[1:] == ascending[:-1]))


def pixels_gone(pixels: int, steps: int) -> list[int]:
    """How many pixels have gone over at each of steps + 1 points."""
    return [pixels * step // steps for step in range(steps + 1)]


def _deletion(inputs: MetricInputs, baseline: str) -> tuple[Images, Images]:
    return inputs.images, baseline_images(inputs, baseline)


def _insertion(inputs: MetricInputs, baseline: str) -> tuple[Images, Images]:
    return baseline_images(inputs, baseline), inputs.images


_WAYS: dict[str, Callable[[MetricInputs, str], tuple[Images, Images]]] = {
    "deletion_auc": _deletion,
    "insertion_auc": _insertion,
}


def _curves(
    ends: list[tuple[Images, Images]], ranks: NDArray[np.int64], inputs: MetricInputs, steps: int
) -> list[Values]:
    """(N, steps + 1) for each (start, end); the judge is asked once for all of them."""
    assert inputs.judge is not None
    times = len(ends)
    curves = inputs.judge.curves(
        np.concatenate([start for start, _ in ends]),
        np.concatenate([end for _, end in ends]),
        np.tile(ranks, (times, 1, 1)),
        pixels_gone(ranks[0].size, steps),
        np.tile(inputs.targets, times),
    )
    return list(np.split(curves, times))


def _undefined(baseline: str, inputs: MetricInputs) -> Scores:
    count = len(inputs.images)
    return Scores(values=np.full(count, np.nan), reasons=(unknown_baseline(inputs, baseline),) * count)
