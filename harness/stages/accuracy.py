"""Accuracy stage: the classes that every artifact predicts on every device, and the Keras model for reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.devices.client import predict
from harness.devices.runtime_choice import runtime_of
from harness.models.catalogue import Model
from harness.outputs import INDEPENDENT, THRESHOLD, ClassMap, probabilities, ranked
from harness.stages.context import ImageSet, Progress, RunContext, as_fraction, class_map_of, device_of, output_of
from harness.store.units import Outcome, Prediction, Unit

RANKS = 5  # classes kept for each image: enough for top-5


def plan_reference(model: Model, images: Unit) -> Unit:
    """The Keras model itself, on this host."""
    spec = {
        "model": model.spec(),
        "format": "keras",
        "device": None,
        "runtime": "tensorflow",
    }
    return Unit(kind="accuracy", spec=spec, needs={"images": images.key})


def plan(conversion: Unit, images: Unit, device: dict[str, Any]) -> Unit:
    spec = {
        "model": conversion.spec["model"],
        "format": conversion.spec["format"],
        "device": device,
        "runtime": device["runtime"],
    }
    return Unit(kind="accuracy", spec=spec, needs={"conversion": conversion.key, "images": images.key})


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec = unit.spec
    images = context.images(unit.needs["images"])
    if "conversion" not in unit.needs:
        outputs = context.outputs(spec["model"]["name"], images.pixels)
        ran_on = {"runtime": "tensorflow", "runtime_version": _tensorflow_version()}
    else:
        done = predict(
            device_of(spec),
            context.artifact(unit.needs["conversion"]),
            images.pixels,
            preprocessing=spec["model"]["preprocessing"],
            runtime=runtime_of(spec["device"]),
            on_progress=as_fraction(progress),
        )
        outputs, ran_on = done.scores, {"runtime": done.runtime, "runtime_version": done.runtime_version}
    head = output_of(spec), class_map_of(spec)
    result = {**ran_on, "images": len(images.keys), **_of_independent_classes(images, outputs, *head)}
    return Outcome(result=result, predictions=_predictions(images, outputs, *head))


def _predictions(images: ImageSet, outputs: NDArray[np.float32], kind: str, class_map: ClassMap) -> list[Prediction]:
    best, scores = ranked(outputs, kind, class_map)[:, :RANKS], probabilities(outputs, kind, class_map)
    return [
        Prediction(
            image=key,
            label=int(label),
            ranked=tuple(int(c) for c in classes),
            scores=tuple(float(row[c]) for c in classes),
        )
        for key, label, classes, row in zip(images.keys, images.labels, best, scores)
    ]


def _of_independent_classes(
    images: ImageSet, outputs: NDArray[np.float32], kind: str, class_map: ClassMap
) -> dict[str, float]:
    """The fraction of images of which the label alone is said to be true, where any number of classes may be."""
    if kind not in INDEPENDENT:
        return {}
    chances = probabilities(outputs, kind, class_map)
    exact = (chances > THRESHOLD) == (np.arange(chances.shape[1]) == images.labels[:, None])
    return {"exact_match": float(exact.all(axis=1).mean())}


def _tensorflow_version() -> str:
    import tensorflow as tf

    return str(tf.__version__)
