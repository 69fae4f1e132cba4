"""All that methods of forward passes ask of a model: scores of changed images, so that they explain anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from harness.errors import ConfigError, MeasurementError
from harness.saliency.attribution import Array
from harness.saliency.methods.spec import MethodSpec

Item = TypeVar("Item")
Result = TypeVar("Result")


class Scorer(Protocol):
    """A GradientEngine is one, and so is any function from images to scores, see FunctionScorer."""

    def scores(self, images: Array) -> Array:
        """(N, classes) what the model returns for images (N, H, W, C)."""

    def logits(self, images: Array) -> Array:
        """(N, classes) before any softmax. Raises ConfigError if nobody knows them."""

    def seen(self, images: Array) -> Array:
        """What is left of images (N, H, W, C) once a quantized input has rounded them; for others, the images."""

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        """(chunk, work(chunk)) for chunks of a batch each, in order."""


@dataclass(frozen=True, slots=True)
class FunctionScorer:
    """A function from a batch of images to scores, such as an artifact on a board, and what else is known of it.

    only_scores       why it has no gradients, for whoever asks for them; "" where that needs no words. `way_to_more` is
                      what they can do.
    logits_function   images to logits (n, classes), or None. Raises ConfigError where it finds out that there are none.
    feature_function  (images, layer) to the layer's features (n, h, w, channels), or None.
    candidates        the layers that it knows (engine.layers.LayerInfo); `layer_function` finds one by its name.
    rounding          images to what a quantized input makes of them, or None.
    on_progress       is told how many of how many items are done, after each batch.
    """

    function: Callable[[Array], Array]
    batch_size: int = 32
    only_scores: str = ""
    way_to_more: str = ""
    logits_function: Callable[[Array], Array] | None = None
    feature_function: Callable[[Array, str], Array] | None = None
    candidates: Sequence[Any] = ()
    layer_function: Callable[[str], str] | None = None
    rounding: Callable[[Array], Array] | None = None
    on_progress: Callable[[int, int], None] | None = None

    def can_do(self, method: MethodSpec) -> bool:
        """Whether this is all that a method asks for; logits aside, which a parameter may ask for."""
        return method.forward_only or (not method.takes_gradients and self.feature_function is not None)

    def scores(self, images: Array) -> Array:
        return self._by_batches(self.function, images)

    def logits(self, images: Array) -> Array:
        if self.logits_function is None:
            raise ConfigError("output: the model gives scores, not logits", hint='output = "score"')
        return self._by_batches(self.logits_function, images)

    def features(self, images: Array, layer: str) -> Array:
        """(N, h, w, channels) of a layer that `layer` has named."""
        assert self.feature_function is not None
        return np.asarray(self.feature_function(images, layer), np.float32)

    def layer(self, name: str) -> str:
        """The layer of this name, or of a reading such as "last_activation"."""
        assert self.layer_function is not None
        return self.layer_function(name)

    def seen(self, images: Array) -> Array:
        return images if self.rounding is None else self.rounding(images)

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        for first in range(0, len(items), self.batch_size):
            chunk = list(items[first : first + self.batch_size])
            yield chunk, work(chunk)
            if self.on_progress is not None:
                self.on_progress(first + len(chunk), len(items))

    def _by_batches(self, function: Callable[[Array], Array], images: Array) -> Array:
        size = self.batch_size
        return np.concatenate([_checked(function, images[i : i + size]) for i in range(0, len(images), size)])


def watched(explainer: Any, progress: Callable[[float], None]) -> Any:
    """The same explainer, which says what fraction of a method's images is done; an engine says nothing."""
    if not isinstance(explainer, FunctionScorer):
        return explainer
    return replace(explainer, on_progress=lambda done, of: progress(done / of))


def _checked(function: Callable[[Array], Array], images: Array) -> Array:
    scores = np.asarray(function(images), np.float32)
    if scores.ndim != 2 or len(scores) != len(images):
        raise MeasurementError(f"expected scores of shape ({len(images)}, classes), got {scores.shape}")
    if not np.isfinite(scores).all():
        raise MeasurementError("the scores hold NaN or infinite values")
    return scores
