"""What changes when a deployed artifact judges the maps instead of the float model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from harness.store.units import StoredUnit
from reports.data.stats import Interval, mean_interval
from reports.data.view import FLOAT, RunView, device_name, is_judged_by_float
from reports.sections.records import Records, picked


def deployment_gap(view: RunView, summary: pd.DataFrame) -> Records:
    """Score by the deployed judge minus score by the float judge, paired by image, with its interval."""
    units = view.of_kind("quality")
    by_float = {_what_is_judged(unit): unit for unit in units if is_judged_by_float(unit)}
    records = []
    for row, unit in zip(summary.to_dict("records"), units):
        reference = by_float.get(_what_is_judged(unit))
        if not is_judged_by_float(unit) and reference is not None:
            gap = mean_interval(_differences(view, unit, reference))
            records += [_gap_record(row, gap)] if gap else []
    return records


def judge_curves(view: RunView) -> Records:
    """Mean probability along insertion and deletion curves by every judge, of maps that a deployed one judged too."""
    units = [unit for unit in view.of_kind("quality") if unit.result.get("curves")]
    by_artifacts = {_what_is_judged(unit) for unit in units if not is_judged_by_float(unit)}
    return [record for unit in units if _what_is_judged(unit) in by_artifacts for record in _curve_records(view, unit)]


def _curve_records(view: RunView, unit: StoredUnit) -> Iterator[dict[str, Any]]:
    judge, maps = unit.spec["judge"], view.needed(unit, "saliency")
    curves = [curve for curve in unit.result["curves"] if curve is not None]
    if not curves:
        return
    name = FLOAT if is_judged_by_float(unit) else f"{judge['format']} on {device_name(judge)}"
    points = len(curves[0])
    for index, values in enumerate(zip(*curves)):
        yield {
            "model": maps.spec["model"]["name"],
            "metric": unit.spec["metric"],
            "label": view.method_labels[unit.needs["saliency"]],
            "judge": name,
            "changed_percent": 100 * index / (points - 1),
            "mean": sum(values) / len(values),
        }


def _gap_record(row: Mapping[Any, Any], gap: Interval) -> dict[str, Any]:
    return {
        **picked(row, "model", "family", "label", "metric", "better", "judge", "judge_device", "mean"),
        "deployment": f"{row['model']} {row['judge']} on {row['judge_device']}",
        "gap": gap.value,
        "gap_low": gap.low,
        "gap_high": gap.high,
    }


def _what_is_judged(unit: StoredUnit) -> tuple[str, ...]:
    return unit.needs["saliency"], unit.spec["metric"], str(sorted(unit.spec["parameters"].items()))


def _differences(view: RunView, unit: StoredUnit, reference: StoredUnit) -> list[float]:
    before = {score.image: score.value for score in view.scores(reference)}
    pairs = [(score.value, before.get(score.image)) for score in view.scores(unit)]
    return [deployed - by_float for deployed, by_float in pairs if deployed is not None and by_float is not None]
