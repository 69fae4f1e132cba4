"""The comparison as the page shows, filters and charts it: plain values beside their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.data import formatting
from reports.data.view import INVALID, KERAS
from reports.sections.distributions import invalid_medians, row_key
from reports.sections.records import judged_by_float
from reports.tables.columns import COMPARISON

TEXT_COLUMNS = {column.name for column in COMPARISON if column.dtype == "string"}


def page_rows(
    table: pd.DataFrame, summary: pd.DataFrame, distributions: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """One dict per row; `distributions` give invalid rows the median that they may show as such only."""
    medians = invalid_medians(distributions)
    scores = _scores_by_model(summary)
    return [_page_row(row, scores, medians) for row in table.to_dict("records")]


def explanation_choices(summary: pd.DataFrame) -> list[dict[str, str]]:
    """What can stand for explanation quality: every metric × method that the float model judged, in plan order."""
    rows = judged_by_float(summary).drop_duplicates(["metric_label", "label"]).to_dict("records")
    return [
        {"key": _score_key(row), "text": f"{row['metric_label']} of {row['label']}", "better": row["better"]}
        for row in rows
    ]


def _score_key(row: Mapping[Any, Any]) -> str:
    return f"{row['metric_label']}|{row['label']}"


def _scores_by_model(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per model and score key: mean, interval, number of images, number of images without a score."""
    scores: dict[str, dict[str, Any]] = {}
    for row in judged_by_float(summary).to_dict("records"):
        entry = [formatting.plain(row[part]) for part in ("mean", "low", "high", "images", "undefined")]
        scores.setdefault(row["model"], {})[_score_key(row)] = entry
    return scores


def _page_row(
    row: Mapping[Any, Any], scores: Mapping[str, dict[str, Any]], medians: Mapping[tuple[Any, ...], float]
) -> dict[str, Any]:
    values = {str(name): formatting.plain(value) for name, value in row.items() if "[" not in str(name)}
    values |= {name: values[name] or "" for name in TEXT_COLUMNS}
    invalid_ms = medians.get(row_key(values))
    return {
        **values,
        **{f"p{q}_ms": _scaled(values[f"latency_p{q}_ns"], 1e-6) for q in (50, 90, 99)},
        "p50_low_ms": _scaled(values["latency_p50_low_ns"], 1e-6),
        "p50_high_ms": _scaled(values["latency_p50_high_ns"], 1e-6),
        **{f"{name}_percent": _scaled(values[name], 100) for name in ("top1", "top1_low", "top1_high")},
        "top1_text": _with_interval(values, "top1") + _exact_match(values),
        "p50_text": f"{formatting.milliseconds(values['latency_p50_ns'])} ms",
        "no_latency": _why_no_latency(values, invalid_ms),
        "invalid_ms": invalid_ms,
        "scores": scores.get(values["model"], {}),
        "is_reference": values["format"] == KERAS,
    }


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _with_interval(values: Mapping[str, Any], name: str) -> str:
    interval = formatting.percent_interval(values[f"{name}_low"], values[f"{name}_high"])
    return f"{formatting.percent(values[name])} % ({interval})" if interval else formatting.UNKNOWN


def _exact_match(values: Mapping[str, Any]) -> str:
    """What a model of independent classes is judged by besides."""
    exact = values["exact_match"]
    return "" if exact is None else f", exact match {formatting.percent(exact)} %"


def _why_no_latency(values: Mapping[str, Any], invalid_ms: float | None) -> str:
    if values["format"] == KERAS:
        return "reference: not timed"
    if values["emulated"]:
        return "emulated: not a latency"
    if values["verdict"] == INVALID:
        shown = "" if invalid_ms is None else f", do not use: {formatting.milliseconds(1e6 * invalid_ms)} ms"
        return f"{INVALID}{shown}"
    return ""
