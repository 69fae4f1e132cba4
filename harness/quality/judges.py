"""Judges on this host. A judge on a device is made where devices are known, by the quality stage."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.native.judged_pixels import between, smallest_ranks
from harness.outputs import Probabilities
from harness.quality.inputs import Images, OneByOne, Targets, Values

BATCH = 64
KEPT_CURVES = 8  # whose ranks are at hand: threads are on neighbouring ones


class FloatJudge:
    """A judge over any function that gives probabilities (n, classes) of uint8 images.

    Changed images are made when they are asked for, so that memory grows neither with images nor with steps. Where
    curves begin and end they meet the same images again, for every map, metric and method: those scores are remembered.

    batch  images that the function is given at a time; None for one that takes a sequence of any length and asks it
           for slices.
    """

    def __init__(self, predict: Callable[[Any], Probabilities], *, batch: int | None = BATCH) -> None:
        self._predict = predict
        self._batch = batch
        self._known: dict[bytes, float] = {}

    def scores(self, images: OneByOne, targets: Targets) -> Values:
        if self._batch is None:
            return self._chosen(images, targets)
        parts = [
            self._chosen(images[first : first + self._batch], targets[first : first + self._batch])
            for first in range(0, len(images), self._batch)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def curves(
        self, start: Images, end: Images, ranks: NDArray[np.int64], steps: Sequence[int], targets: Targets
    ) -> Values:
        curves = np.full((len(start), len(steps)), np.nan)
        last = int(ranks.max())
        whole = [k for k, step in enumerate(steps) if step <= 0 or step > last]
        for k in whole:
            curves[:, k] = self._remembered(start if steps[k] <= 0 else np.broadcast_to(end, start.shape), targets)
        between = [(i, k) for i in range(len(start)) for k in range(len(steps)) if k not in whole]
        if between:
            images = _Between(start, end, ranks, [(i, steps[k]) for i, k in between])
            rows, columns = np.array(between).T
            curves[rows, columns] = self.scores(images, targets[rows])
        return curves

    def _chosen(self, images: OneByOne, targets: Targets) -> Values:
        scores = self._predict(images)
        chosen: Values = scores[np.arange(len(images)), targets].astype(np.float64)
        return chosen

    def _remembered(self, images: Images, targets: Targets) -> Values:
        keys = [_digest(image, target) for image, target in zip(images, targets)]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            chosen = list(new.values())
            self._known.update(zip(new, map(float, self.scores(images[chosen], targets[chosen]))))
        return np.array([self._known[key] for key in keys])


class _Between:
    """Images on the curves from starts to ends, in slices that are made when they are asked for.

    pairs  (number of a curve, how many of its pixels have gone over), sorted by curve.
    """

    def __init__(self, start: Images, end: Images, ranks: NDArray[np.int64], pairs: list[tuple[int, int]]) -> None:
        self._start, self._end, self._pairs = start, end, pairs
        self._ranks = functools.lru_cache(KEPT_CURVES)(lambda i: smallest_ranks(ranks[i], start.shape[-1]))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, wanted: slice) -> Images:
        pairs = self._pairs[wanted]
        images = np.empty((len(pairs), *self._start.shape[1:]), np.uint8)
        for image, (i, step) in zip(images, pairs):
            between(self._start[i], self._end[i], self._ranks(i), step, out=image)
        return images


def _digest(image: Images, target: np.int64) -> bytes:
    content = np.ascontiguousarray(image).tobytes() + int(target).to_bytes(8, "little")
    return hashlib.blake2b(content, digest_size=16).digest()
