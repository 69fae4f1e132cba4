"""Saliency stage: raw attributions of a batch of images, by a method, a control, or an artifact on its device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import as_pixels, preprocess
from harness.devices.client import predict
from harness.experiment.experiment import Named
from harness.models.catalogue import Model
from harness.outputs import probabilities
from harness.quality.controls import control_maps
from harness.quality.inputs import MetricInputs
from harness.saliency.attribution import Attribution
from harness.stages.context import ImageSet, Progress, RunContext, device_of, output_of
from harness.stages.shared import CONTROL, attribute
from harness.store.units import Outcome, Unit

SESSION_BYTES = 64 << 20  # of changed images at a time: each time is a fresh process on the device


def plan(model: Model, method: Named, images: Unit, *, target: str, seed: int) -> Unit:
    spec = {
        "model": model.spec(),
        "method": method.name,
        "parameters": method.parameters,
        "target": target,
        "seed": seed,
    }
    return Unit(kind="saliency", spec=spec, needs={"images": images.key})


def plan_on_device(conversion: Unit, method: Named, images: Unit, device: dict[str, Any], *, seed: int) -> Unit:
    """Maps by forward passes of the artifact itself, of the class that the float model predicts: the same question."""
    spec = {
        "model": conversion.spec["model"],
        "method": method.name,
        "parameters": method.parameters,
        "target": "predicted",
        "seed": seed,
        "format": conversion.spec["format"],
        "device": device,
        "runtime": device["runtime"],
    }
    return Unit(kind="saliency", spec=spec, needs={"images": images.key, "conversion": conversion.key})


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    """Raw signed float32 attributions, as the method gives them: reductions are steps of showing and scoring."""
    spec = unit.spec
    images = context.images(unit.needs["images"])
    predicted = context.scores(spec["model"]["name"], images.pixels).argmax(1)
    targets = predicted if spec["target"] == "predicted" else images.labels
    result = {
        **_attributions(unit, images, targets, context),
        "images": list(images.keys),
        "targets": _plain(targets),
        "predicted": _plain(predicted),
    }
    return Outcome(result=result)


def _attributions(unit: Unit, images: ImageSet, targets: NDArray[np.int64], context: RunContext) -> dict[str, Any]:
    spec = unit.spec
    if spec["method"].startswith(CONTROL):
        inputs = MetricInputs(
            images=images.pixels, targets=targets, keys=images.keys, seed=spec["seed"], masks=images.masks
        )
        values = control_maps(spec["method"].removeprefix(CONTROL), inputs)
        return {"blob": context.store.save_array(values), "channels": ""}
    if "device" in spec:
        attribution = _on_device(unit, images, targets, context)
    else:
        attribution = attribute(context.explainer(spec["model"]["name"]), spec, images.pixels, targets, images.keys)
    return {
        "blob": context.store.save_array(attribution.values),
        "channels": attribution.channels,
        "layer": attribution.layer,
        "pseudo_gradient": attribution.pseudo_gradient,
        "blank": _plain(attribution.blank),
        "causes": list(attribution.causes),
        "notes": list(attribution.notes),
    }


def _on_device(unit: Unit, images: ImageSet, targets: NDArray[np.int64], context: RunContext) -> Attribution:
    """Forward passes of the artifact on its device. What a method makes of an image is rounded to uint8 on the way."""
    from harness.saliency.api import compute_forward

    spec, record, device = unit.spec, unit.spec["model"]["preprocessing"], device_of(unit.spec)
    artifact = context.artifact(unit.needs["conversion"])

    def scores(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = as_pixels(inputs, record)
        outputs = predict(device, artifact, pixels, preprocessing=record, runtime=spec["runtime"]).scores
        return np.asarray(probabilities(outputs, output_of(spec)), np.float32)

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
