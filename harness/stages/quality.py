"""Quality stage: one metric's value for every map of a saliency unit, judged by the float model or by an artifact."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.experiment.experiment import Named
from harness.quality.evaluation import evaluate
from harness.quality.inputs import MetricInputs, Pool
from harness.quality.metrics.metric_table import METRICS
from harness.stages.context import Progress, RunContext
from harness.stages.shared import FLOAT, DeployedJudge, explain_of, judge_of, maps_of, mean_colour, score_rows
from harness.store.units import Outcome, Unit


def plan(
    saliency: Unit,
    metric: Named,
    *,
    judge: DeployedJudge | None = None,
    aopc_bounds: Unit | None = None,
    pool: Unit | None = None,
    baseline_images: Unit | None = None,
) -> Unit:
    """What a metric needs besides the maps is named where it needs it, and nowhere else.

    judge            an artifact on a device; the float model where there is none.
    aopc_bounds      of the float model, for normalised metrics.
    pool             other images that the metric may show.
    baseline_images  images whose mean colour is a baseline.
    """
    spec = {
        "model": saliency.spec["model"],
        "method": saliency.spec["method"],
        "metric": metric.name,
        "parameters": metric.parameters,
        "seed": saliency.spec["seed"],
        "judge": judge.spec() if judge else FLOAT,
    }
    extra = {
        "judge": judge.artifact if judge else None,
        "aopc_bounds": aopc_bounds,
        "pool": pool,
        "baseline_images": baseline_images,
    }
    needs = {"saliency": saliency.key, "images": saliency.needs["images"]}
    needs |= {role: unit.key for role, unit in extra.items() if unit is not None}
    return Unit(kind="quality", spec=spec, needs=needs)


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec, metric = unit.spec, METRICS[unit.spec["metric"]]
    saliency, images = context.result(unit.needs["saliency"]), context.images(unit.needs["images"])
    inputs = MetricInputs(
        images=images.pixels,
        targets=np.array(saliency.result["targets"], np.int64),
        keys=images.keys,
        seed=spec["seed"],
        parameters=spec["parameters"],
        masks=images.masks,
        judge=judge_of(unit, context) if "judge" in metric.needs else None,
        explain=explain_of(saliency, context),
        pool=_pool(unit, context),
        aopc_bounds=_aopc_bounds(unit, context),
        dataset_mean=mean_colour(unit, context),
        causes=tuple(saliency.result["causes"]) if "causes" in saliency.result else None,
    )
    scores = evaluate(spec["metric"], maps_of(saliency, images, context), inputs)
    result: dict[str, Any] = {"better": metric.better, "unit": metric.unit}
    if scores.curves is not None:
        result["curves"] = [None if np.isnan(curve).any() else curve.round(5).tolist() for curve in scores.curves]
    return Outcome(result=result, scores=score_rows(images, scores))


def _pool(unit: Unit, context: RunContext) -> Pool | None:
    if "pool" not in unit.needs:
        return None
    images = context.images(unit.needs["pool"])
    return Pool(images=images.pixels, targets=images.labels, keys=images.keys)


def _aopc_bounds(unit: Unit, context: RunContext) -> Any:
    if "aopc_bounds" not in unit.needs:
        return None
    return context.store.load_array(context.result(unit.needs["aopc_bounds"]).result["blob"])
