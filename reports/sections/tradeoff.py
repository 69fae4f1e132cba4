"""Accuracy against latency: one panel per device, and the filters of the whole page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from reports.data import formatting
from reports.drawing import charts as drawn
from reports.drawing.layout import Layout, layout, names
from reports.sections.looks import look_of
from reports.sections.recommendation import recommended
from reports.sections.records import Records, picked
from reports.sections.row_names import row_names
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Charts, Facts

WIDTHS = {"wide": 600, "narrow": 236}  # pixels of the plot: beside it are the numbers of its axis
SHOWN = ("device", "model", "family", "format", "runtime", "num_threads", "mode", "verdict", "verdict_reason")


def charts(run: RunData) -> Charts:
    return {"tradeoff": Chart(records=marks(run), split_by=("device",))}


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts:
    look = look_of(run)
    panels = []
    for device in run.devices:
        shown = [mark for mark in charts["tradeoff"].records if mark["device"] == device["name"]]
        panels.append({**device, "marks": len(shown), "layouts": _layouts(shown), "picture": ""})
        if shown:
            panels[-1]["picture"] = Markup(drawn.picture("tradeoff", shown, look))
    return {"rows": run.rows, "choices": run.choices, "panels": panels}


def marks(run: RunData) -> Records:
    """One per deployment whose accuracy and time are both known; the time may be invalid, and is said to be so."""
    worth = set(recommended(run))
    shown = [(at, row) for at, row in enumerate(run.rows) if _time(row) is not None and row["top1"] is not None]
    called = row_names([row for _, row in shown])
    return [_mark(row, run) | {"at": at, "name": name, "worth_a_look": at in worth}
            for (at, row), name in zip(shown, called)]  # fmt: skip


def _time(row: Mapping[str, Any]) -> float | None:
    """Milliseconds; of an invalid measurement those that must not be used."""
    time: float | None = row["invalid_ms"] if row["p50_ms"] is None else row["p50_ms"]
    return time


def _mark(row: Mapping[str, Any], run: RunData) -> dict[str, Any]:
    score = row["scores"].get(run.choices[0]["key"], [None])[0] if run.choices else None
    return {
        **picked(row, *SHOWN),
        "x": _time(row),
        "x_low": row["p50_low_ms"],
        "x_high": row["p50_high_ms"],
        "x_text": row["no_latency"] or row["p50_text"],
        "y": row["top1_percent"],
        "y_low": row["top1_low_percent"],
        "y_high": row["top1_high_percent"],
        "y_text": row["top1_text"],
        "quality": score,
        "quality_text": formatting.decimal(score),
        "is_invalid": row["p50_ms"] is None,
    }


def _layouts(shown: Records) -> dict[str, Any]:
    """What the page needs to draw a panel, by the width that there is."""
    return {name: _layout(layout(shown, width=width), shown) for name, width in WIDTHS.items()} if shown else {}


def _layout(plan: Layout, shown: Records) -> dict[str, Any]:
    size = {"width": plan.width, "height": plan.height}
    return {**size, "signals": plan.signals(), "names": names(shown, plan)}
