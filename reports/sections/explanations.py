"""Explanation quality: scores of methods by model, sweeps, deployed judges, sanity checks and the paper's claims."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.data import formatting
from reports.data.stats import MIN_VALUES
from reports.sections import deployed_judges, sanity, sweeps
from reports.sections.answers import answers, are_asked
from reports.sections.records import Records, judged_by_float, picked
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Charts, Facts

JUDGING = ("quality", "sanity", "agreement", "amplification")  # the kinds of units that judge maps


def charts(run: RunData) -> Charts:
    return {
        "noise_sweep": Chart(records=sweeps.noise_sweep(run.summary), split_by=("series", "metric")),
        "layer_sweep": Chart(records=sweeps.layer_sweep(run.summary), split_by=("model", "metric")),
        "deployment_gap": Chart(
            records=deployed_judges.deployment_gap(run.view, run.summary), split_by=("label", "metric")
        ),
        "judge_curves": Chart(records=deployed_judges.judge_curves(run.view), split_by=("model", "label", "metric")),
    }


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    if not any(run.view.of_kind(kind) for kind in JUDGING):
        return None
    return {
        "quality_tables": quality_tables(run.summary, run.view.models),
        "least_gap": deployed_judges.LEAST_GAP,
        "fewest_images": MIN_VALUES,
        "best_levels": sweeps.best_levels(charts["noise_sweep"].records),
        "baseline_disagreements": baseline_disagreements(run.summary),
        "sanity": sanity.sanity_checks(run.view),
        "claims": answers(run.view) if are_asked(run.view) else [],
    }


def quality_tables(summary: pd.DataFrame, models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Per metric, a table of methods × models with means and intervals; each model's best method is marked."""
    judged = judged_by_float(summary)
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


def baseline_disagreements(summary: pd.DataFrame) -> Records:
    """Where the choice of what replaces pixels decides which method scores best on a model."""
    groups: dict[tuple[str, str], dict[str, Records]] = {}
    for row in _with_baselines(summary):
        groups.setdefault((row["model"], row["metric"]), {}).setdefault(row["baseline"], []).append(row)
    records = []
    for (model, metric), by_baseline in groups.items():
        best = {name: _best(candidates)["label"] for name, candidates in by_baseline.items()}
        if len(set(best.values())) > 1:
            text = "; ".join(f"{name}: {label}" for name, label in best.items())
            records.append({"model": model, "metric": metric, "best": text})
    return records


def _with_baselines(summary: pd.DataFrame) -> Records:
    """The float judge's rows of real methods: controls take no part in a ranking."""
    rows = judged_by_float(summary).to_dict("records")
    return [
        {**picked(row, "model", "metric", "label", "mean", "better"), "baseline": baseline}
        for row in rows
        if (baseline := json.loads(row["metric_parameters"]).get("baseline")) and not _is_control(row["method"])
    ]


def _is_control(method: str) -> bool:
    return method.startswith("control-")


def _best(rows: Records) -> dict[str, Any]:
    pick = max if rows[0]["better"] == "higher" else min
    return pick(rows, key=lambda row: row["mean"])
