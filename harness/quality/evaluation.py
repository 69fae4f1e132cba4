"""Run metrics on maps. What every metric would have to ask first is asked here, once: is the map usable, is all there?

So a metric sees only maps that are finite and show something, with the inputs it needs, and no map crashes a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.parameters import complete_parameters
from harness.quality.inputs import Maps, MetricInputs, Scores, Values
from harness.quality.metrics.blankness import NOT_FINITE, why_blank
from harness.quality.metrics.metric_table import METRICS, MetricSpec
from harness.registry import look_up, resolve

NO_OBJECT = "no object is marked on this image"
ABSENT = {
    "mask": "the data set does not say where the object is",
    "judge": "there is no judge",
    "explain": "the method cannot be asked about other images",
    "pool": "there is no pool of other images",
    "aopc_bounds": "the bounds of AOPC are not known",
}


def metric_parameters(
    name: str, given: Mapping[str, Any] | None = None, *, where: str = ""
) -> dict[str, bool | int | float | str]:
    """All parameters of a metric: those given, checked, and the defaults of the others.

    where  what an error message begins with, such as `experiment.toml [quality]`; the metric's name if empty.
    """
    known = {parameter.name: parameter for parameter in _spec(name).parameters}
    return complete_parameters(name, known, given or {}, where=where or name)


def evaluate(name: str, maps: Maps, inputs: MetricInputs) -> Scores:
    """One metric's score for each map (N, H, W). `inputs.parameters` may leave out what has a default."""
    return evaluate_together({name: inputs.parameters}, maps, inputs)[name]


def evaluate_together(requests: Mapping[str, Mapping[str, Any]], maps: Maps, inputs: MetricInputs) -> dict[str, Scores]:
    """Several metrics by name, each with its parameters. Those of one family share what they ask of judge or method.

    `inputs.parameters` is not looked at.
    """
    complete = {name: metric_parameters(name, given) for name, given in requests.items()}
    scores: dict[str, Scores] = {}
    for names in _families(complete):
        wanted = {name: complete[name] for name in names}
        scores.update(_evaluate_family(wanted, np.asarray(maps, np.float32), inputs))
    return {name: scores[name] for name in requests}


def _spec(name: str) -> MetricSpec:
    return look_up(METRICS, name, where="quality", what="metric")


def _families(requests: Mapping[str, Any]) -> list[list[str]]:
    """Names whose rows load the same family function, together; every other name alone."""
    groups: dict[str, list[str]] = {}
    for name in requests:
        groups.setdefault(METRICS[name].load if METRICS[name].family else name, []).append(name)
    return list(groups.values())


def _evaluate_family(wanted: dict[str, dict[str, Any]], maps: Maps, inputs: MetricInputs) -> dict[str, Scores]:
    spec = METRICS[next(iter(wanted))]
    missing = _missing(spec, inputs)
    reasons = [missing] * len(maps) if missing else _unusable(spec, maps, inputs)
    usable = np.flatnonzero([not reason for reason in reasons])
    if len(usable) == 0:
        return {name: _nothing(reasons) for name in wanted}
    function, usable_inputs = resolve(spec.load), inputs.take(usable)
    if spec.family:
        scores = function(maps[usable], usable_inputs, wanted)
    else:
        scores = {
            name: function(maps[usable], replace(usable_inputs, parameters=given)) for name, given in wanted.items()
        }
    return {name: _spread(scores[name], usable, reasons) for name in wanted}


def _missing(spec: MetricSpec, inputs: MetricInputs) -> str:
    parts = {
        "mask": inputs.masks,
        "judge": inputs.judge,
        "explain": inputs.explain,
        "pool": inputs.pool,
        "aopc_bounds": inputs.aopc_bounds,
    }
    return next((ABSENT[need] for need in spec.needs if parts[need] is None), "")


def _unusable(spec: MetricSpec, maps: Maps, inputs: MetricInputs) -> list[str]:
    """Why each map cannot be scored; "" where it can."""
    if spec.any_map:
        return [""] * len(maps)
    causes = why_blank(maps, inputs)
    reasons = [cause if cause in ("", NOT_FINITE) else f"blank map: {cause}" for cause in causes]
    if "mask" in spec.needs and inputs.masks is not None:
        marked = inputs.masks.any(axis=(1, 2))
        reasons = [reason or ("" if known else NO_OBJECT) for reason, known in zip(reasons, marked)]
    return reasons


def _nothing(reasons: list[str]) -> Scores:
    return Scores(values=np.full(len(reasons), np.nan), reasons=tuple(reasons))


def _spread(known: Scores | Values, usable: NDArray[np.int64], reasons: list[str]) -> Scores:
    """Scores of the usable maps among those of all. A metric that has nothing to explain returns bare values."""
    scores = known if isinstance(known, Scores) else Scores(values=known, reasons=("",) * len(known))
    values, said = np.full(len(reasons), np.nan), list(reasons)
    for i, value, reason in zip(usable, scores.values, scores.reasons):
        values[i] = value if np.isfinite(value) else np.nan
        said[i] = reason or ("" if np.isfinite(value) else "the metric is undefined for this map")
    curves = None
    if scores.curves is not None:
        curves = np.full((len(reasons), scores.curves.shape[1]), np.nan)
        curves[usable] = scores.curves
    return Scores(values=values, reasons=tuple(said), curves=curves)
