"""Saliency stage: raw attributions of a batch of images, by a method, a control, or an artifact on its device."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.devices.runtime_choice import runtime_of
from harness.experiment.experiment import Named
from harness.models.catalogue import Model
from harness.models.flatbuffer_scorer import flatbuffer_scorer
from harness.quality.controls import control_maps
from harness.quality.inputs import MetricInputs
from harness.quality.precision_error import PrecisionError, precision_error
from harness.saliency.attribution import Attribution
from harness.saliency.methods.scorer import FunctionScorer, watched
from harness.saliency.precision import FLOAT32
from harness.stages.context import ImageSet, Progress, RunContext, device_of, output_of
from harness.stages.shared import CONTROL, attribute
from harness.store.units import Outcome, Unit

COMPARED = 4  # images of a unit in a lower precision whose maps are made in float32 as well


def plan(model: Model, method: Named, images: Unit, *, target: str, seed: int, precision: str = FLOAT32) -> Unit:
    """precision  of the gradient engine; a unit in the usual one says nothing of it, and keeps its key."""
    spec = {
        "model": model.spec(),
        "method": method.name,
        "parameters": method.parameters,
        "target": target,
        "seed": seed,
        **({"precision": precision} if precision != FLOAT32 else {}),
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
        "inputs": "float32",  # of changed images; before, they were rounded to pixels
    }
    return Unit(kind="saliency", spec=spec, needs={"images": images.key, "conversion": conversion.key})


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    """Raw signed float32 attributions, as the method gives them: reductions are steps of showing and scoring."""
    spec = unit.spec
    images = context.images(unit.needs["images"])
    predicted = context.scores(spec["model"]["name"], images.pixels).argmax(1)
    targets = predicted if spec["target"] == "predicted" else images.labels
    result = {
        **_attributions(unit, images, targets, context, progress),
        "images": list(images.keys),
        "targets": _plain(targets),
        "predicted": _plain(predicted),
    }
    return Outcome(result=result)


def _attributions(
    unit: Unit, images: ImageSet, targets: NDArray[np.int64], context: RunContext, progress: Progress
) -> dict[str, Any]:
    spec = unit.spec
    if spec["method"].startswith(CONTROL):
        inputs = MetricInputs(
            images=images.pixels, targets=targets, keys=images.keys, seed=spec["seed"], masks=images.masks
        )
        values = control_maps(spec["method"].removeprefix(CONTROL), inputs)
        return {"blob": context.store.save_array(values), "channels": ""}
    if "device" in spec:
        attribution = attribute(watched(_at_work(unit, context), progress), spec, images.pixels, targets, images.keys)
    else:
        explainer = watched(context.explainer(spec), progress)
        attribution = attribute(explainer, spec, images.pixels, targets, images.keys)
    error = _precision_error(unit, images, targets, attribution, context) if "precision" in spec else None
    return {
        "blob": context.store.save_array(attribution.values),
        "channels": attribution.channels,
        "layer": attribution.layer,
        "pseudo_gradient": attribution.pseudo_gradient,
        "blank": _plain(attribution.blank),
        "causes": list(attribution.causes),
        "notes": [*attribution.notes, *([error.sentence(spec["precision"])] if error else [])],
        **({"precision_error": asdict(error)} if error else {}),
    }


def _precision_error(
    unit: Unit, images: ImageSet, targets: NDArray[np.int64], attribution: Attribution, context: RunContext
) -> PrecisionError:
    """What the precision did to the first maps of the unit."""
    first, size = slice(COMPARED), images.pixels.shape[1:3]
    pixels, keys, seed = images.pixels[first], images.keys[first], unit.spec["seed"]
    full = {name: value for name, value in unit.spec.items() if name != "precision"}
    exact = attribute(context.explainer(full), full, pixels, targets[first], keys)
    judge = context.judge(unit.spec["model"]["name"])
    inputs = MetricInputs(images=pixels, targets=targets[first], keys=keys, seed=seed, judge=judge)
    return precision_error(attribution.maps(size)[first], exact.maps(size), inputs)


def _at_work(unit: Unit, context: RunContext) -> FunctionScorer:
    """The artifact on its device, one process for the whole unit. A float input gets what a method makes of an image as
    it is; a quantized one rounds it to its own steps."""
    spec = unit.spec
    return flatbuffer_scorer(
        context.artifact(unit.needs["conversion"]).read_bytes(),
        device_of(spec),
        name=spec["model"]["name"],
        output=output_of(spec),
        runtime=runtime_of(spec["device"]),
    )


def _plain(array: Any) -> list[Any]:
    return list(np.asarray(array).tolist())
