"""Sanity stage: does a method's map change when the model has learnt something else, or nothing?

Values per image; what they say of the method is for the report to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.quality.agreement_metrics import agree
from harness.quality.inputs import Maps, Scores
from harness.stages.context import ImageSet, Progress, RunContext, output_of
from harness.stages.shared import attribute, maps_of, score_rows
from harness.store.units import Outcome, StoredUnit, Unit


def plan(maps: Unit, check: str, *, other: Unit | None = None) -> Unit:
    """other  the same method's maps of the model that was trained on shuffled labels, for data randomisation."""
    spec = {
        "model": maps.spec["model"],
        "method": maps.spec["method"],
        "parameters": maps.spec["parameters"],
        "check": check,
        "seed": maps.spec["seed"],
    }
    needs = {"saliency": maps.key, "images": maps.needs["images"], **({"other": other.key} if other else {})}
    return Unit(kind="sanity", spec=spec, needs=needs)


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    saliency, images = context.result(unit.needs["saliency"]), context.images(unit.needs["images"])
    result, scores = _CHECKS[unit.spec["check"]](unit, saliency, images, context)
    return Outcome(result=result, scores=score_rows(images, scores))


def _parameter_randomisation(
    unit: Unit, saliency: StoredUnit, images: ImageSet, context: RunContext
) -> tuple[dict[str, Any], Scores]:
    """Rank correlation with the maps of the wholly randomised model; the means of every stage are kept."""
    from harness.quality.randomisation import parameter_randomisation

    model = context.keras_model(unit.spec["model"]["name"])
    cascade = parameter_randomisation(model, _explain_with(saliency, images), **_how(unit))
    means = {
        name: [_mean(scores) for scores in by_stage]
        for name, by_stage in (("spearman", cascade.spearman), ("ssim", cascade.ssim))
    }
    return {"unit": "rank correlation", "stages": list(cascade.stages), **means}, cascade.spearman[-1]


def _emprt(unit: Unit, saliency: StoredUnit, images: ImageSet, context: RunContext) -> tuple[dict[str, Any], Scores]:
    from harness.quality.randomisation import emprt

    model = context.keras_model(unit.spec["model"]["name"])
    scores = emprt(model, _explain_with(saliency, images), **_how(unit))
    return {"unit": "relative rise of the map's entropy"}, scores


def _data_randomisation(
    unit: Unit, saliency: StoredUnit, images: ImageSet, context: RunContext
) -> tuple[dict[str, Any], Scores]:
    maps = maps_of(saliency, images, context)
    other = maps_of(context.result(unit.needs["other"]), images, context)
    return {"unit": "rank correlation"}, agree("spearman", maps, other)


_CHECKS: dict[str, Callable[[Unit, StoredUnit, ImageSet, RunContext], tuple[dict[str, Any], Scores]]] = {
    "parameter_randomisation": _parameter_randomisation,
    "emprt": _emprt,
    "data_randomisation": _data_randomisation,
}


def _how(unit: Unit) -> dict[str, Any]:
    return {"seed": unit.spec["seed"], "output": output_of(unit.spec)}


def _explain_with(saliency: StoredUnit, images: ImageSet) -> Callable[[Any], Maps]:
    """The unit's maps by any engine: same images, classes, method and random numbers."""
    targets = np.array(saliency.result["targets"], np.int64)

    def explain(engine: Any) -> Maps:
        attribution = attribute(engine, saliency.spec, images.pixels, targets, images.keys)
        return attribution.maps(images.pixels.shape[1:3])

    return explain


def _mean(scores: Scores) -> float | None:
    known = scores.values[np.isfinite(scores.values)]
    return float(known.mean()) if len(known) else None
