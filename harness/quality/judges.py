"""Judges on this host. A judge on a device is made where devices are known, by the quality stage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from device.perturbation import perturbed
from harness.outputs import Probabilities
from harness.quality.inputs import Images, Targets, Values

BATCH = 64


class FloatJudge:
    """A judge over any function that gives probabilities (n, classes) of uint8 images.

    Changed images are made batch by batch, so that memory grows neither with images nor with steps. Where curves
    begin and end they meet the same images again, for every map, metric and method: those scores are remembered.
    """

    def __init__(self, predict: Callable[[Images], Probabilities], *, batch: int = BATCH) -> None:
        self._predict = predict
        self._batch = batch
        self._known: dict[bytes, float] = {}

    def scores(self, images: Images, targets: Targets) -> Values:
        parts = [
            self._scores(images[first : first + self._batch], targets[first : first + self._batch])
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
        for chunk in _chunks(between, self._batch):
            images = np.concatenate(
                [perturbed(start[i], end[i], ranks[i], [steps[k] for k in ks]) for i, ks in _by_image(chunk)]
            )
            rows, columns = np.array(chunk).T
            curves[rows, columns] = self._scores(images, targets[rows])
        return curves

    def _scores(self, images: Images, targets: Targets) -> Values:
        scores = self._predict(images)
        chosen: Values = scores[np.arange(len(images)), targets].astype(np.float64)
        return chosen

    def _remembered(self, images: Images, targets: Targets) -> Values:
        keys = [_digest(image, target) for image, target in zip(images, targets)]
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        chosen = list(new.values())
        for first in range(0, len(chosen), self._batch):
            batch = chosen[first : first + self._batch]
            scores = self._scores(images[batch], targets[batch])
            self._known.update({keys[i]: float(score) for i, score in zip(batch, scores)})
        return np.array([self._known[key] for key in keys])


def _digest(image: Images, target: np.int64) -> bytes:
    content = np.ascontiguousarray(image).tobytes() + int(target).to_bytes(8, "little")
    return hashlib.blake2b(content, digest_size=16).digest()


def _chunks(pairs: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for first in range(0, len(pairs), size):
        yield pairs[first : first + size]


def _by_image(pairs: list[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """(image, its steps) for pairs that are sorted by image."""
    steps: dict[int, list[int]] = {}
    for i, k in pairs:
        steps.setdefault(i, []).append(k)
    yield from steps.items()
