"""The HTML page of a run: one file that needs no network, filled from templates with automatic escaping."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2
import pandas as pd

from harness.store import Store
from reports import figures, formatting, tables
from reports.colours import colour_tables, css_gradients
from reports.grids import grids
from reports.thumbnails import STEPS
from reports.view import KERAS, RunView


def render(store: Store) -> str:
    """The page as text: a pure function of the store."""
    view, table = RunView(store), tables.comparison(store)
    summary = tables.quality_summary(view)
    rows = page_rows(table, summary)
    return _environment().get_template("page.html").render(
        run=_run_facts(view),
        rows=rows,
        devices=_panels(rows),
        explanations=_explanations(summary),
        methods=_method_facts(view),
        steps=STEPS,
        colour_maps=colour_tables(),
        gradients=css_gradients(),
        data={"rows": rows, "grids": grids(view), "charts": {"tradeoff": figures.specification(figures.tradeoff([]))}},
    )  # fmt: skip


def page_rows(table: pd.DataFrame, summary: pd.DataFrame) -> list[dict[str, Any]]:
    """The comparison as the page shows it, filters it and charts it: plain values beside their texts."""
    scores = _scores_by_model(summary)
    return [_page_row(row, scores) for row in table.to_dict("records")]


def _page_row(row: Mapping[Any, Any], scores: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    values = {str(name): formatting.plain(value) for name, value in row.items() if "[" not in str(name)}
    texts = {name: value or "" for name, value in values.items() if _is_text(name)}
    return {
        **values,
        **texts,
        **{f"p{q}_ms": _scaled(values[f"latency_p{q}_ns"], 1e-6) for q in (50, 90, 99)},
        "p50_low_ms": _scaled(values["latency_p50_low_ns"], 1e-6),
        "p50_high_ms": _scaled(values["latency_p50_high_ns"], 1e-6),
        **{f"{name}_percent": _scaled(values[name], 100) for name in ("top1", "top1_low", "top1_high")},
        "top1_text": _with_interval(values, "top1"),
        "p50_text": f"{formatting.milliseconds(values['latency_p50_ns'])} ms",
        "no_latency": _why_no_latency(values),
        "scores": scores.get(texts["model"], {}),
        "is_reference": texts["format"] == KERAS,
    }


def _is_text(name: str) -> bool:
    return any(column.name == name and column.dtype == "string" for column in tables.COMPARISON)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _with_interval(values: Mapping[str, Any], name: str) -> str:
    interval = formatting.percent_interval(values[f"{name}_low"], values[f"{name}_high"])
    return f"{formatting.percent(values[name])} % ({interval})" if interval else formatting.UNKNOWN


def _why_no_latency(values: Mapping[str, Any]) -> str:
    if values["format"] == KERAS:
        return "reference: not timed"
    if values["emulated"]:
        return "emulated: no latency"
    if values["verdict"] == "void":
        return "void"
    return ""


def _scores_by_model(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per model, `metric|method` → mean, interval and number of images, judged by the float model."""
    scores: dict[str, dict[str, Any]] = {}
    for row in summary[summary["judge"] == "float"].to_dict("records"):
        if formatting.known(row["mean"]):
            entry = [formatting.plain(row[part]) for part in ("mean", "low", "high", "images", "undefined")]
            scores.setdefault(row["model"], {})[f"{row['metric']}|{row['label']}"] = entry
    return scores


def _explanations(summary: pd.DataFrame) -> list[dict[str, str]]:
    """What the explanation column can show: every metric × method of the float judge."""
    known = summary[(summary["judge"] == "float") & summary["mean"].notna()]
    rows = known.drop_duplicates(["metric", "label"])[["metric", "label", "better"]].to_dict("records")
    return [{"key": f"{r['metric']}|{r['label']}", **{str(k): str(v) for k, v in r.items()}} for r in rows]


def _panels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One panel per device that has a latency, in the order of the rows."""
    names = dict.fromkeys(row["device"] for row in rows if row["device"])
    timed = {row["device"] for row in rows if row["p50_ms"] is not None}
    return [{"name": name, "timed": name in timed} for name in names]


def _method_facts(view: RunView) -> list[dict[str, Any]]:
    """What was done for each method, and by which networks through a pseudo-gradient."""
    facts: dict[str, dict[str, Any]] = {}
    for unit in view.of_kind("saliency"):
        label = view.method_labels[unit.key]
        fact = facts.setdefault(label, {"label": label, "pseudo": [], "failed": []})
        name = unit.spec["model"]["name"]
        if unit.result.get("pseudo_gradient"):
            fact["pseudo"].append(name)
        if unit.status != "done":
            fact["failed"].append({"model": name, "status": unit.status, "reason": view.reason(unit)})
    return list(facts.values())


def _run_facts(view: RunView) -> dict[str, Any]:
    store = view.store
    unfinished = [u for u in view.units if u.status != "done"]
    return {
        "name": store.meta("name") or store.folder.resolve().name,
        "counts": view.counts(),
        "total": len(view.units),
        "failures": [{"kind": u.kind, "reason": u.reason} for u in unfinished if u.status == "failed"],
        "experiment": store.meta("experiment") or "",
        "command": store.meta("command") or "",
        "version": store.meta("bitlens_version") or "",
        "models": list(view.models.values()),
    }


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(formatting.FILTERS)
    environment.globals["chart_library"] = chart_library
    return environment


@cache
def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, so that the page asks no server for them."""
    import vl_convert

    return str(vl_convert.javascript_bundle()).replace("</script", "<\\/script")
