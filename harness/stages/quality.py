"""Quality stage: one metric's value for every map of a saliency unit, judged by the float model or by an artifact."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.experiment.selection import Named
from harness.quality.evaluation import evaluate
from harness.quality.inputs import MetricInputs, Pool
from harness.quality.metrics.metric_table import METRICS
from harness.stages.context import Progress, RunContext
from harness.stages.shared import FLOAT, explain_of, judge_of, maps_of, mean_colour, score_rows
from harness.store.units import Outcome, Unit


def plan(
    saliency: Unit,
    metric: Named,
    *,
    judge: str | dict[str, Any] = FLOAT,
    limits: Unit | None = None,
    pool: Unit | None = None,
    colours: Unit | None = None,
) -> Unit:
    """What a metric needs besides the maps is part of the spec where it needs it, and nowhere else.

    limits  of this judge, for normalised metrics.   pool  other images.   colours  images whose mean is a baseline.
    """
    spec = {
        "model": saliency.spec["model"],
        "saliency": saliency.key,
        "method": saliency.spec["method"],
        "images": saliency.spec["images"],
        "metric": metric.name,
        "parameters": metric.parameters,
        "seed": saliency.spec["seed"],
        "judge": judge,
    }
    extra = {"limits": limits, "pool": pool, "colours": colours}
    return Unit(kind="quality", spec=spec | {name: unit.key for name, unit in extra.items() if unit is not None})


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec, metric = unit.spec, METRICS[unit.spec["metric"]]
    saliency, images = context.result(spec["saliency"]), context.images(spec["images"])
    evidence = MetricInputs(
        images=images.pixels,
        targets=np.array(saliency.result["targets"], np.int64),
        keys=images.keys,
        seed=spec["seed"],
        parameters=spec["parameters"],
        masks=images.masks,
        judge=judge_of(spec, context) if "judge" in metric.needs else None,
        explain=explain_of(saliency, context),
        pool=_pool(spec, context),
        limits=_limits(spec, context),
        dataset_mean=mean_colour(spec, context),
        causes=tuple(saliency.result["causes"]) if "causes" in saliency.result else None,
    )
    scores = evaluate(spec["metric"], maps_of(saliency, images, context), evidence)
    result: dict[str, Any] = {"better": metric.better, "unit": metric.unit}
    if scores.curves is not None:
        result["curves"] = [None if np.isnan(curve).any() else curve.round(5).tolist() for curve in scores.curves]
    return Outcome(result=result, scores=score_rows(images, scores))


def _pool(spec: dict[str, Any], context: RunContext) -> Pool | None:
    if "pool" not in spec:
        return None
    images = context.images(spec["pool"])
    return Pool(images=images.pixels, targets=images.labels, keys=images.keys)


def _limits(spec: dict[str, Any], context: RunContext) -> Any:
    return context.store.load_array(context.result(spec["limits"]).result["blob"]) if "limits" in spec else None
