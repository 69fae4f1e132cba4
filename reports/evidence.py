"""What the charts of explanations show, as plain records: noise sweeps, layers, deployment gaps, sanity checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.store import StoredUnit
from reports import formatting
from reports.stats import Interval, mean_interval
from reports.view import RunView

Records = list[dict[str, Any]]
MEANS = ("model", "family", "metric", "better", "mean", "low", "high")


def noise_sweep(summary: pd.DataFrame) -> Records:
    """Mean score against noise level, per network, method and metric, where a method ran at three levels or more."""
    return _swept(summary, "noise_level", at_least=3)


def layer_sweep(summary: pd.DataFrame) -> Records:
    """Mean score against the layer that a method explained, where it explained two or more."""
    return _swept(summary, "layer", at_least=2)


def _swept(summary: pd.DataFrame, parameter: str, *, at_least: int) -> Records:
    rows = summary[(summary["judge"] == "float") & summary["mean"].notna()].to_dict("records")
    records = [
        {**_picked(row, *MEANS), "series": _series(row, parameter), parameter: row["spec_parameters"][parameter]}
        for row in rows
        if row["spec_parameters"].get(parameter) is not None
    ]
    values: dict[str, set[Any]] = {}
    for record in records:
        values.setdefault(record["series"], set()).add(record[parameter])
    return [record for record in records if len(values[record["series"]]) >= at_least]


def _series(row: Mapping[Any, Any], parameter: str) -> str:
    """The method with the parameters that stay as they are along a sweep; layers are named after each network's own."""
    fixed = {k: v for k, v in row["spec_parameters"].items() if k not in (parameter, "layer") and v is not None}
    return " ".join([row["method"], *(f"{name}={value}" for name, value in sorted(fixed.items()))])


def best_levels(sweep: Records) -> Records:
    """Per network, method and metric: the best noise level, and the range of levels that are not clearly worse."""
    groups: dict[tuple[str, ...], Records] = {}
    for record in sweep:
        groups.setdefault((record["model"], record["series"], record["metric"]), []).append(record)
    return [_best_level(records) for records in groups.values()]


def _best_level(records: Records) -> dict[str, Any]:
    pick = max if records[0]["better"] == "higher" else min
    best = pick(records, key=lambda record: record["mean"])
    levels = [record["noise_level"] for record in records if record is best or _overlap(record, best)]
    kept = _picked(best, "model", "family", "series", "metric", "mean")
    return {**kept, "best": best["noise_level"], "low": min(levels), "high": max(levels)}


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    if first["low"] is None or second["low"] is None:
        return False
    return bool(first["low"] <= second["high"] and second["low"] <= first["high"])


def deployment_gap(view: RunView, summary: pd.DataFrame) -> Records:
    """Score by the deployed judge minus score by the float judge, paired by image, with its interval."""
    units = view.of_kind("quality")
    by_float = {_what_is_judged(unit): unit for unit in units if _is_float(unit)}
    records = []
    for row, unit in zip(summary.to_dict("records"), units):
        reference = by_float.get(_what_is_judged(unit))
        if not _is_float(unit) and reference is not None:
            gap = mean_interval(_differences(view, unit, reference))
            records += [_gap_record(row, gap)] if gap else []
    return records


def _gap_record(row: Mapping[Any, Any], gap: Interval) -> dict[str, Any]:
    return {
        **_picked(row, "model", "family", "label", "metric", "better", "judge", "judge_device", "mean"),
        "deployment": f"{row['model']} {row['judge']} on {row['judge_device']}",
        "gap": gap.value,
        "gap_low": gap.low,
        "gap_high": gap.high,
    }


def _is_float(unit: StoredUnit) -> bool:
    return bool(unit.spec.get("judge", "float") == "float")


def _what_is_judged(unit: StoredUnit) -> tuple[str, ...]:
    return unit.spec["saliency"], unit.spec["metric"], str(sorted(unit.spec.get("parameters", {}).items()))


def _differences(view: RunView, unit: StoredUnit, reference: StoredUnit) -> list[float]:
    before = {score.image: score.value for score in view.scores(reference)}
    pairs = [(score.value, before.get(score.image)) for score in view.scores(unit)]
    return [deployed - by_float for deployed, by_float in pairs if deployed is not None and by_float is not None]


def sanity_checks(view: RunView) -> Records:
    """Units of kind `sanity`: a check of a method on a network, its value with interval, and whether it passed."""
    return [
        {
            "model": (unit.spec.get("model") or {}).get("name", ""),
            "method": unit.spec.get("method", ""),
            "check": unit.spec.get("check", ""),
            **{name: unit.result.get(name) for name in ("value", "low", "high")},
            "verdict": unit.result.get("verdict") or unit.status,
            "reason": unit.result.get("reason") or view.reason(unit),
        }
        for unit in view.of_kind("sanity")
    ]


def _picked(row: Mapping[Any, Any], *names: str) -> dict[str, Any]:
    return {name: formatting.plain(row[name]) for name in names}
