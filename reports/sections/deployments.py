"""The comparison as the page shows, filters and charts it: plain values beside their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.data import formatting
from reports.data.view import KERAS
from reports.sections.latency import row_key, void_medians
from reports.tables.columns import COMPARISON

TEXT_COLUMNS = {column.name for column in COMPARISON if column.dtype == "string"}


def page_rows(
    table: pd.DataFrame, summary: pd.DataFrame, distributions: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """One dict per row; `distributions` give void rows the median that they may show as void, and in no other way."""
    voids = void_medians(distributions)
    scores = _scores_by_model(summary)
    return [_page_row(row, scores, voids) for row in table.to_dict("records")]


def explanation_choices(summary: pd.DataFrame) -> list[dict[str, str]]:
    """What can stand for explanation quality: every metric × method that the float model judged, in plan order."""
    rows = _judged_by_float(summary).drop_duplicates(["metric_label", "label"]).to_dict("records")
    return [
        {"key": _score_key(row), "text": f"{row['metric_label']} of {row['label']}", "better": row["better"]}
        for row in rows
    ]


def quality_tables(summary: pd.DataFrame, models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per metric, a table of methods × networks with means and intervals; each network's best method is marked."""
    judged = _judged_by_float(summary)
    shown = [
        {"name": name, "family": models[name].get("family", "")} for name in models if name in set(judged["model"])
    ]
    return [_quality_table(str(metric), group, shown) for metric, group in judged.groupby("metric_label", sort=False)]


def _quality_table(metric: str, group: pd.DataFrame, shown: list[dict[str, str]]) -> dict[str, Any]:
    better = str(group["better"].iloc[0])
    pick = max if better == "higher" else min
    best = {model: pick(means) for model, means in group.groupby("model")["mean"]}
    cells = {(row["label"], row["model"]): row for row in group.to_dict("records")}
    return {
        "metric": metric,
        "better": better,
        "models": shown,
        "lines": [
            {"label": label, "cells": [_cell(cells.get((label, model["name"])), best) for model in shown]}
            for label in dict.fromkeys(group["label"])
        ],
    }


def _cell(row: Mapping[Any, Any] | None, best: Mapping[Any, float]) -> dict[str, Any] | None:
    if row is None:
        return None
    values = {name: formatting.plain(row[name]) for name in ("mean", "low", "high", "undefined")}
    return {**values, "best": row["mean"] == best[row["model"]]}


def _judged_by_float(summary: pd.DataFrame) -> pd.DataFrame:
    return summary[(summary["judge"] == "float") & summary["mean"].notna()]


def _score_key(row: Mapping[Any, Any]) -> str:
    return f"{row['metric_label']}|{row['label']}"


def _scores_by_model(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per model and score key: mean, interval, number of images, number of images without a score."""
    scores: dict[str, dict[str, Any]] = {}
    for row in _judged_by_float(summary).to_dict("records"):
        entry = [formatting.plain(row[part]) for part in ("mean", "low", "high", "images", "undefined")]
        scores.setdefault(row["model"], {})[_score_key(row)] = entry
    return scores


def _page_row(
    row: Mapping[Any, Any], scores: Mapping[str, dict[str, Any]], voids: Mapping[tuple[Any, ...], float]
) -> dict[str, Any]:
    values = {str(name): formatting.plain(value) for name, value in row.items() if "[" not in str(name)}
    values |= {name: values[name] or "" for name in TEXT_COLUMNS}
    void_ms = voids.get(row_key(values))
    return {
        **values,
        **{f"p{q}_ms": _scaled(values[f"latency_p{q}_ns"], 1e-6) for q in (50, 90, 99)},
        "p50_low_ms": _scaled(values["latency_p50_low_ns"], 1e-6),
        "p50_high_ms": _scaled(values["latency_p50_high_ns"], 1e-6),
        **{f"{name}_percent": _scaled(values[name], 100) for name in ("top1", "top1_low", "top1_high")},
        "top1_text": _with_interval(values, "top1"),
        "p50_text": f"{formatting.milliseconds(values['latency_p50_ns'])} ms",
        "no_latency": _why_no_latency(values, void_ms),
        "void_ms": void_ms,
        "scores": scores.get(values["model"], {}),
        "is_reference": values["format"] == KERAS,
    }


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _with_interval(values: Mapping[str, Any], name: str) -> str:
    interval = formatting.percent_interval(values[f"{name}_low"], values[f"{name}_high"])
    return f"{formatting.percent(values[name])} % ({interval})" if interval else formatting.UNKNOWN


def _why_no_latency(values: Mapping[str, Any], void_ms: float | None) -> str:
    if values["format"] == KERAS:
        return "reference: not timed"
    if values["emulated"]:
        return "emulated: no latency"
    if values["verdict"] == "void":
        return "void" if void_ms is None else f"void, do not use: {formatting.milliseconds(1e6 * void_ms)} ms"
    return ""
