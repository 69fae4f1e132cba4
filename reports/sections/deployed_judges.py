"""What changes when a deployed artifact judges the maps instead of the float model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from harness.store.units import StoredUnit
from reports.data import formatting
from reports.data.power import images_for_gap
from reports.data.stats import MIN_VALUES, mean_interval
from reports.data.view import FLOAT, RunView, device_name, is_judged_by_float
from reports.sections.records import Records, picked

LEAST_GAP = 0.01  # in the metric's unit: what the number of images is told for


def deployment_gap(view: RunView, summary: pd.DataFrame) -> Records:
    """Score by the deployed judge minus score by the float judge, paired by image, and how many images it takes."""
    units = view.of_kind("quality")
    by_float = {_what_is_judged(unit): unit for unit in units if is_judged_by_float(unit)}
    records = []
    for row, unit in zip(summary.to_dict("records"), units):
        reference = by_float.get(_what_is_judged(unit))
        if not is_judged_by_float(unit) and reference is not None:
            pairs = _pairs(view, unit, reference)
            records += [_gap_record(row, pairs)] if pairs else []
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


def _gap_record(row: Mapping[Any, Any], pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """`pairs` are an image's scores by the float judge and by the deployed one; means are over these images."""
    differences = [deployed - by_float for by_float, deployed in pairs]
    gap, needed = mean_interval(differences), images_for_gap(differences, LEAST_GAP)
    assert gap is not None  # there is a pair
    return {
        **picked(row, "model", "family", "label", "metric", "better", "judge", "judge_device"),
        "deployment": f"{row['model']} {row['judge']} on {row['judge_device']}",
        "images": len(pairs),
        "float_mean": fmean(by_float for by_float, _ in pairs),
        "mean": fmean(deployed for _, deployed in pairs),
        "gap": gap.value,
        "gap_low": gap.low,
        "gap_high": gap.high,
        "images_needed": needed,
        "images_needed_text": _needed_text(differences, needed),
    }


def _needed_text(differences: Sequence[float], needed: int | None) -> str:
    if needed is not None:
        return f"{needed:,}"
    return formatting.UNKNOWN if len(differences) < MIN_VALUES else "does not vary"


def _what_is_judged(unit: StoredUnit) -> tuple[str, ...]:
    return unit.needs["saliency"], unit.spec["metric"], str(sorted(unit.spec["parameters"].items()))


def _pairs(view: RunView, unit: StoredUnit, reference: StoredUnit) -> list[tuple[float, float]]:
    by_float = {score.image: score.value for score in view.scores(reference)}
    pairs = [(by_float.get(score.image), score.value) for score in view.scores(unit)]
    return [(before, deployed) for before, deployed in pairs if before is not None and deployed is not None]
