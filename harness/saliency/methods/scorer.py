"""All that Occlusion and RISE ask of a model: scores of changed images, so that they explain anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from harness.errors import ConfigError, MeasurementError
from harness.saliency.attribution import Array

Item = TypeVar("Item")
Result = TypeVar("Result")


class Scorer(Protocol):
    """A GradientEngine is one, and so is any function from images to scores, see FunctionScorer."""

    def scores(self, images: Array) -> Array:
        """(N, classes) what the model returns for images (N, H, W, C)."""

    def logits(self, images: Array) -> Array:
        """(N, classes) before any softmax. Raises ConfigError if nobody knows them."""

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        """(chunk, work(chunk)) for chunks of a batch each, in order."""


@dataclass(frozen=True, slots=True)
class FunctionScorer:
    """A function from a batch of images to scores, such as an artifact on a board.

    only_scores  why there is nothing but scores, for whoever asks for more; "" where that needs no words.
    """

    function: Callable[[Array], Array]
    batch_size: int = 32
    only_scores: str = ""

    def scores(self, images: Array) -> Array:
        size = self.batch_size
        return np.concatenate([self._batch(images[first : first + size]) for first in range(0, len(images), size)])

    def logits(self, images: Array) -> Array:
        raise ConfigError("output: what is explained gives scores, not logits", hint='output = "score"')

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        for first in range(0, len(items), self.batch_size):
            chunk = list(items[first : first + self.batch_size])
            yield chunk, work(chunk)

    def _batch(self, images: Array) -> Array:
        scores = np.asarray(self.function(images), np.float32)
        if scores.ndim != 2 or len(scores) != len(images):
            raise MeasurementError(f"expected scores of shape ({len(images)}, classes), got {scores.shape}")
        if not np.isfinite(scores).all():
            raise MeasurementError("the scores hold NaN or infinite values")
        return scores
