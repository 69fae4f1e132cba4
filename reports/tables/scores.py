"""Explanation quality as tables: every score, and means over images with their intervals."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from harness.store import Score, StoredUnit, StoreReader
from reports.data.stats import mean_interval
from reports.data.view import FLOAT, RunView, device_name, full_label, method_name
from reports.tables.columns import QUALITY, frame

SUMMARY = (
    "model", "family", "method", "label", "full_label", "parameters", "spec_parameters", "metric", "metric_label",
    "metric_parameters", "better", "unit", "judge", "judge_device", "mean", "low", "high", "images", "undefined",
    "status", "reason",
)  # fmt: skip


def quality_summary(view: RunView) -> pd.DataFrame:
    """Mean score over images with its bootstrap interval: one row per model × method × metric × judge."""
    return pd.DataFrame([_quality_row(view, unit) for unit in view.of_kind("quality")], columns=list(SUMMARY))


def quality(store: StoreReader) -> pd.DataFrame:
    """Tidy scores: one row per image × method × metric × judge."""
    view = RunView(store)
    rows = [
        {**_quality_identity(view, unit), "image": score.image, "value": score.value, "reason": score.reason}
        for unit in view.of_kind("quality")
        for score in (view.scores(unit) if not view.is_damaged(unit) else [_damaged_score(view, unit)])
    ]
    return frame(rows, QUALITY)


def _damaged_score(view: RunView, unit: StoredUnit) -> Score:
    return Score(image="", value=None, reason=view.reason(unit))


def _quality_identity(view: RunView, unit: StoredUnit) -> dict[str, Any]:
    saliency = view.needed(unit, "saliency")
    spec = saliency.spec
    judge, device = _judge(unit)
    return {
        "model": spec["model"]["name"],
        "family": spec["model"]["family"],
        "method": method_name(spec),
        "parameters": json.dumps(spec["parameters"], sort_keys=True),
        "seed": spec["seed"],
        "pseudo_gradient": saliency.result.get("pseudo_gradient"),  # a control has no gradient
        "metric": unit.spec["metric"],
        "metric_parameters": json.dumps(unit.spec["parameters"], sort_keys=True),
        "better": unit.result.get("better"),
        "unit": unit.result.get("unit"),
        "judge": judge,
        "judge_device": device,
    }


def _judge(unit: StoredUnit) -> tuple[str, str]:
    """Who judged: the float model, or an artifact's format and its device."""
    judge = unit.spec["judge"]
    return (FLOAT, "") if judge == FLOAT else (judge["format"], device_name(judge))


def _quality_row(view: RunView, unit: StoredUnit) -> dict[str, Any]:
    saliency, scores = view.needed(unit, "saliency"), view.scores(unit)
    values = [score.value for score in scores if score.value is not None]
    mean = mean_interval(values)
    return {
        **_quality_identity(view, unit),
        "label": view.method_labels[saliency.key],
        "spec_parameters": saliency.spec["parameters"],
        "full_label": full_label(saliency.spec),
        "metric_label": view.metric_labels[unit.key],
        "mean": mean.value if mean else None,
        "low": mean.low if mean else None,
        "high": mean.high if mean else None,
        "images": len(values),
        "undefined": len(scores) - len(values),
        "status": unit.status,
        "reason": view.reason(unit),
    }


def attach_quality(table: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Append the float judge's means: they belong to the model, so every row of the model repeats them."""
    judged = summary[(summary["judge"] == FLOAT) & summary["mean"].notna()]
    columns: dict[str, pd.Series[Any]] = {}
    for (metric, label), group in judged.groupby(["metric_label", "full_label"], sort=False):
        by_model = group.drop_duplicates("model").set_index("model")
        for part in ("mean", "low", "high"):
            columns[f"{metric}[{label}]_{part}"] = table["model"].map(by_model[part].to_dict()).astype("Float64")
    return pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)
