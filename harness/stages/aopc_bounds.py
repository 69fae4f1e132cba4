"""AOPC bounds stage: the lowest and highest AOPC that any order of cells reaches on an image, for normalised metrics.

They depend on model, image and judge, not on the map, and cost more than all maps' curves together: done once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.experiment.experiment import Named
from harness.models.catalogue import Model
from harness.quality.inputs import MetricInputs
from harness.quality.metrics.aopc_search import aopc_bounds
from harness.stages.context import Progress, RunContext
from harness.stages.shared import FLOAT, judge_of, mean_colour
from harness.store.units import Outcome, Unit


def plan(model: Model, metric: Named, images: Unit, *, target: str, baseline_images: Unit | None) -> Unit:
    """The bounds that a normalised metric needs; metrics with equal parameters share them."""
    spec = {
        "model": model.spec(),
        "target": target,
        "parameters": metric.parameters,
        "judge": FLOAT,
    }
    needs = {"images": images.key, **({"baseline_images": baseline_images.key} if baseline_images else {})}
    return Unit(kind="aopc_bounds", spec=spec, needs=needs)


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec, images = unit.spec, context.images(unit.needs["images"])
    targets = images.labels
    if spec["target"] == "predicted":
        targets = context.scores(spec["model"]["name"], images.pixels).argmax(1)
    inputs = MetricInputs(
        images=images.pixels,
        targets=targets,
        keys=images.keys,
        parameters=spec["parameters"],
        judge=judge_of(unit, context),
        dataset_mean=mean_colour(unit, context),
    )
    bounds: Any = np.asarray(aopc_bounds(inputs))
    return Outcome(result={"blob": context.store.save_array(bounds), "images": list(images.keys)})
