"""Scores along a sweep: at rising noise, and at one layer after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.sections.records import Records, judged_by_float, picked

MEANS = ("model", "family", "metric", "better", "mean", "low", "high")


def noise_sweep(summary: pd.DataFrame) -> Records:
    """Mean score against noise level, per model, method and metric, where a method ran at three levels or more."""
    return _swept(summary, "noise_level", at_least=3)


def layer_sweep(summary: pd.DataFrame) -> Records:
    """Mean score against the layer that a method explained, where it explained two or more."""
    return _swept(summary, "layer", at_least=2)


def _swept(summary: pd.DataFrame, parameter: str, *, at_least: int) -> Records:
    rows = judged_by_float(summary).to_dict("records")
    records = [
        {**picked(row, *MEANS), "series": _series(row, parameter), parameter: row["spec_parameters"][parameter]}
        for row in rows
        if row["spec_parameters"].get(parameter) is not None
    ]
    values: dict[str, set[Any]] = {}
    for record in records:
        values.setdefault(record["series"], set()).add(record[parameter])
    return [record for record in records if len(values[record["series"]]) >= at_least]


def _series(row: Mapping[Any, Any], parameter: str) -> str:
    """The method with the parameters that stay as they are along a sweep; layers are named after each model's own."""
    fixed = {k: v for k, v in row["spec_parameters"].items() if k not in (parameter, "layer") and v is not None}
    return " ".join([row["method"], *(f"{name}={value}" for name, value in sorted(fixed.items()))])


def best_levels(sweep: Records) -> Records:
    """Per model, method and metric: the best noise level, and the range of levels that are not clearly worse."""
    groups: dict[tuple[str, ...], Records] = {}
    for record in sweep:
        groups.setdefault((record["model"], record["series"], record["metric"]), []).append(record)
    return [_best_level(records) for records in groups.values()]


def _best_level(records: Records) -> dict[str, Any]:
    pick = max if records[0]["better"] == "higher" else min
    best = pick(records, key=lambda record: record["mean"])
    levels = [record["noise_level"] for record in records if record is best or _overlap(record, best)]
    kept = picked(best, "model", "family", "series", "metric", "mean")
    return {**kept, "best": best["noise_level"], "low": min(levels), "high": max(levels)}


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    if first["low"] is None or second["low"] is None:
        return False
    return bool(first["low"] <= second["high"] and second["low"] <= first["high"])
