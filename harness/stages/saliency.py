"""Saliency stage: one method's raw attributions for one model on the experiment's images."""

from __future__ import annotations

from typing import Any

import numpy as np

from device.preprocessing import preprocess
from harness.catalogue import Model
from harness.experiment import Method
from harness.store import Outcome, Unit
from harness.workshop import Progress, Workshop


def plan(model: Model, method: Method, images: Unit, *, target: str, seed: int) -> Unit:
    spec = {
        "model": model.spec(),
        "method": method.name,
        "parameters": method.parameters,
        "images": images.key,
        "target": target,
        "seed": seed,
    }
    return Unit(kind="saliency", spec=spec)


def perform(unit: Unit, workshop: Workshop, progress: Progress) -> Outcome:
    """Raw signed float32 attributions, as the method gives them: reductions are steps of showing and scoring."""
    from harness.saliency import compute

    spec, name = unit.spec, unit.spec["model"]["name"]
    images = workshop.images(spec["images"])
    predicted = workshop.scores(name, images.pixels).argmax(1)
    targets = predicted if spec["target"] == "predicted" else images.labels
    attribution = compute(
        workshop.engine(name),
        spec["method"],
        preprocess(images.pixels, spec["model"]["preprocessing"]),
        targets,
        image_keys=list(images.keys),
        seed=spec["seed"],
        parameters=spec["parameters"],
    )
    result: dict[str, Any] = {
        "blob": workshop.store.save_array(attribution.values),
        "images": list(images.keys),
        "targets": _plain(targets),
        "predicted": _plain(predicted),
        "layer": attribution.layer,
        "pseudo_gradient": attribution.pseudo_gradient,
        "blank": _plain(attribution.blank),
        "notes": list(attribution.notes),
    }
    return Outcome(result=result)


def _plain(array: Any) -> list[Any]:
    return list(np.asarray(array).tolist())
