"""Quality stage: one metric's value for every map of a saliency unit, judged by the float model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.quality import METRICS, Evidence, Values
from harness.saliency import METHODS, saliency_map
from harness.store import Outcome, Score, Unit
from harness.tables import resolve
from harness.workshop import Progress, Workshop


def plan(saliency: Unit, metric: str, *, steps: int) -> Unit:
    spec = {
        "model": saliency.spec["model"],
        "saliency": saliency.key,
        "method": saliency.spec["method"],
        "images": saliency.spec["images"],
        "metric": metric,
        "parameters": {"steps": steps} if METRICS[metric].needs_judge else {},
        "judge": "float",
    }
    return Unit(kind="quality", spec=spec)


def perform(unit: Unit, workshop: Workshop, progress: Progress) -> Outcome:
    spec, metric = unit.spec, METRICS[unit.spec["metric"]]
    saliency = workshop.result(spec["saliency"])
    images = workshop.images(spec["images"])
    name = spec["model"]["name"]

    def judge(pixels: NDArray[np.uint8], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        scores = workshop.scores(name, pixels)
        chosen: NDArray[np.float64] = scores[np.arange(len(scores)), classes].astype(np.float64)
        return chosen

    evidence = Evidence(
        images=images.pixels,
        targets=np.array(saliency.result["targets"], np.int64),
        masks=images.masks,
        score=judge,
        steps=spec["parameters"].get("steps", 0),
    )
    maps = saliency_map(
        workshop.store.load_array(saliency.result["blob"]),
        (images.pixels.shape[1], images.pixels.shape[2]),
        channels=METHODS[saliency.spec["method"]].channels or "max_abs",
    )
    values = resolve(metric.load)(maps, evidence)
    missing = "no mask" if metric.needs_mask and images.masks is None else "blank map"
    result = {"better": metric.better, "unit": metric.unit}
    return Outcome(result=result, scores=_scores(images.keys, values, missing=missing))


def _scores(keys: tuple[str, ...], values: Values, *, missing: str) -> list[Score]:
    return [
        Score(image=key, value=None if np.isnan(value) else float(value), reason=missing if np.isnan(value) else "")
        for key, value in zip(keys, values)
    ]
