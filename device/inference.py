"""A loaded artifact at work: images in, scores out, and the inputs on which it is measured."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import inputs, latency
from .inputs import Inputs

PROGRESS_SECONDS = 0.5


class Inference:
    """An engine (runtimes.load), and how images become its input; without `preprocessing` it is only measured.

    measured_on  what is said of the inputs then, see inputs.py.
    """

    def __init__(
        self, engine: Any, preprocessing: dict[str, Any] | None, measured_on: dict[str, Any] | None = None
    ) -> None:
        self.engine, self._preprocessing, self._measured_on = engine, preprocessing, measured_on or {}

    def run(self, arrays: Inputs) -> None:
        self.engine.set_inputs(arrays)
        self.engine.invoke()

    def run_in_turn(self, several: list[Inputs]) -> Callable[[], None]:
        """A function that runs on the next of these inputs, over and over."""
        turns = itertools.cycle(several)
        return lambda: self.run(next(turns))

    def scores(self, images: NDArray[Any], on_progress: Callable[[dict[str, Any]], None]) -> NDArray[Any]:
        """Scores (N, classes) float32 of uint8 images (N, H, W, C), or of float32 ones, preprocessed before."""
        record = {} if images.dtype == np.float32 else self._preprocessing
        if record is None or len(self.engine.inputs) != 1:
            raise ValueError(
                f"predict: expected one image input and its preprocessing, got {len(self.engine.inputs)} inputs"
            )
        if len(images) == 0:
            return np.zeros((0, math.prod(self.engine.outputs[0].shape[1:])), np.float32)
        rows, size, reported = [], self._batch_size(), time.monotonic()
        for start in range(0, len(images), size):
            rows.append(self._batch_scores(images[start : start + size], record))
            if time.monotonic() - reported > PROGRESS_SECONDS:
                reported = time.monotonic()
                on_progress({"stage": "predict", "done": start + size, "of": len(images)})
        return np.concatenate(rows)

    def _batch_size(self) -> int:
        shape = self.engine.inputs[0].shape
        if not shape or shape[0] < 1:
            raise ValueError(f"the artifact's input has the shape {shape}, which holds no image")
        return int(shape[0])

    def _batch_scores(self, images: NDArray[Any], record: dict[str, Any]) -> NDArray[Any]:
        """A last, smaller batch is filled up with its own first image: artifacts have a fixed batch size."""
        source, target = self.engine.inputs[0], self.engine.outputs[0]
        missing = source.shape[0] - len(images)
        filled = np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images
        encoded = source.encode(filled, record)
        if encoded.shape != source.shape:
            raise ValueError(f"images: the artifact expects {source.shape}, got {encoded.shape} after preprocessing")
        self.run([encoded])
        scores: NDArray[np.float32] = target.decode(self.engine.get_outputs()[0])
        return scores.reshape(source.shape[0], -1)[: len(images)]

    def measurement_inputs(self, count: int, *, seed: int) -> list[Inputs]:
        """Several inputs that take turns, so that nothing is answered from a cache of the last one."""
        tensors, record = self.engine.inputs, self._preprocessing
        if record is None:
            return inputs.measurement_inputs(tensors, self._measured_on, count=count, seed=seed)
        batch = self._batch_size()
        size = {"height": record["height"], "width": record["width"], "channels": len(record["mean"])}
        images = latency.random_images(count * batch, seed=seed, **size)
        encoded = tensors[0].encode(images, record)
        return [[encoded[i * batch : (i + 1) * batch]] for i in range(count)]
