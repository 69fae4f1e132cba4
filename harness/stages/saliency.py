"""Saliency stage: raw attributions of a batch of images, by a method, a control, or an artifact on its device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import as_pixels, preprocess
from harness.catalogue import Model
from harness.devices import predict
from harness.experiment_choices import Named
from harness.quality import Evidence, control_maps
from harness.saliency.attribution import Attribution
from harness.stages.on_device import artifact_of, device_of
from harness.store import Outcome, Unit
from harness.workshop import ImageSet, Progress, Workshop

SESSION_BYTES = 64 << 20  # of changed images at a time: each time is a fresh process on the device
CONTROL = "control-"  # what the method of a control begins with


def plan(model: Model, method: Named, images: Unit, *, target: str, seed: int) -> Unit:
    spec = {
        "model": model.spec(),
        "method": method.name,
        "parameters": method.parameters,
        "images": images.key,
        "target": target,
        "seed": seed,
    }
    return Unit(kind="saliency", spec=spec)


def plan_on_device(conversion: Unit, method: Named, images: Unit, device: dict[str, Any], *, seed: int) -> Unit:
    """Maps by forward passes of the artifact itself, of the class that the float model predicts: the same question."""
    spec = {
        "model": conversion.spec["model"],
        "method": method.name,
        "parameters": method.parameters,
        "images": images.key,
        "target": "predicted",
        "seed": seed,
        "conversion": conversion.key,
        "format": conversion.spec["format"],
        "device": device,
        "runtime": device["runtime"],
    }
    return Unit(kind="saliency", spec=spec)


def perform(unit: Unit, workshop: Workshop, progress: Progress) -> Outcome:
    """Raw signed float32 attributions, as the method gives them: reductions are steps of showing and scoring."""
    spec = unit.spec
    images = workshop.images(spec["images"])
    predicted = workshop.scores(spec["model"]["name"], images.pixels).argmax(1)
    targets = predicted if spec["target"] == "predicted" else images.labels
    result = {
        **_attributions(spec, images, targets, workshop),
        "images": list(images.keys),
        "targets": _plain(targets),
        "predicted": _plain(predicted),
    }
    return Outcome(result=result)


def _attributions(
    spec: dict[str, Any], images: ImageSet, targets: NDArray[np.int64], workshop: Workshop
) -> dict[str, Any]:
    if spec["method"].startswith(CONTROL):
        evidence = Evidence(
            images=images.pixels, targets=targets, keys=images.keys, seed=spec["seed"], masks=images.masks
        )
        values = control_maps(spec["method"].removeprefix(CONTROL), evidence)
        return {"blob": workshop.store.save_array(values)}
    if "device" in spec:
        attribution = _on_device(spec, images, targets, workshop)
    else:
        attribution = attribute(workshop.engine(spec["model"]["name"]), spec, images.pixels, targets, images.keys)
    return {
        "blob": workshop.store.save_array(attribution.values),
        "layer": attribution.layer,
        "pseudo_gradient": attribution.pseudo_gradient,
        "blank": _plain(attribution.blank),
        "causes": list(attribution.causes),
        "notes": list(attribution.notes),
    }


def attribute(
    engine: Any,
    spec: Mapping[str, Any],
    pixels: NDArray[np.uint8],
    targets: NDArray[np.int64],
    keys: Sequence[str],
) -> Attribution:
    """What the method of a saliency unit says of any images by any engine."""
    from harness.saliency import compute

    return compute(
        engine,
        spec["method"],
        preprocess(pixels, spec["model"]["preprocessing"]),
        targets,
        image_keys=list(keys),
        seed=spec["seed"],
        parameters=spec["parameters"],
    )


def _on_device(spec: dict[str, Any], images: ImageSet, targets: NDArray[np.int64], workshop: Workshop) -> Attribution:
    """Forward passes of the artifact on its device. What a method makes of an image is rounded to uint8 on the way."""
    from harness.saliency import compute_forward

    record, device, artifact = spec["model"]["preprocessing"], device_of(spec), artifact_of(spec, workshop)

    def scores(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = as_pixels(inputs, record)
        return predict(device, artifact, pixels, preprocessing=record, runtime=spec["runtime"]).scores

    inputs = preprocess(images.pixels, record)
    return compute_forward(
        scores,
        spec["method"],
        inputs,
        targets,
        image_keys=list(images.keys),
        seed=spec["seed"],
        parameters=spec["parameters"],
        batch_size=max(1, SESSION_BYTES // inputs[0].nbytes),
    )


def _plain(array: Any) -> list[Any]:
    return list(np.asarray(array).tolist())
