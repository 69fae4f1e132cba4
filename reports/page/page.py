"""The HTML page of a run: one file that needs no network, filled from templates with automatic escaping."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jinja2

from harness.store import Store, StoredUnit
from reports.data import formatting
from reports.data.view import RunView
from reports.drawing import charts
from reports.drawing.colours import colour_tables, css_gradients
from reports.drawing.thumbnails import STEPS
from reports.sections import claims, explanations, latency, published
from reports.sections.deployments import explanation_choices, page_rows, quality_tables
from reports.sections.grids import grids
from reports.sections.recommendation import LATENCY_MARGIN, verdicts
from reports.tables import comparison
from reports.tables.scores import quality_summary


def render(store: Store, *, live: str = "") -> str:
    """The page as text: a pure function of the store. `live`, the store's version, makes it tell of a newer one."""
    view = RunView(store)
    summary = quality_summary(view)
    distributions = latency.distributions(view)
    rows = page_rows(comparison.comparison(store), summary, distributions)
    choices = explanation_choices(summary)
    sources = {
        "latency_distribution": distributions,
        "latency_over_time": latency.over_time(view),
        "operator_breakdown": latency.operators(view),
        "noise_sweep": explanations.noise_sweep(summary),
        "layer_sweep": explanations.layer_sweep(summary),
        "deployment_gap": explanations.deployment_gap(view, summary),
        "judge_curves": explanations.judge_curves(view),
        "published": published.beside(rows),
    }
    sustained = latency.burst_and_sustained(view)
    pictures = grids(view)
    return (
        _environment()
        .get_template("page.html")
        .render(
            run=_run_facts(view),
            live=live,
            rows=rows,
            devices=_panels(rows),
            scaling=_scaling(rows),
            verdicts=verdicts(rows, choices[0] if choices else None),
            latency_margin=LATENCY_MARGIN,
            explanations=choices,
            quality_tables=quality_tables(summary, view.models),
            pseudo_gradients=_pseudo_gradients(view),
            missing_maps=_missing_maps(view),
            sources=sources,
            choices=_choices(sources),
            best_levels=explanations.best_levels(sources["noise_sweep"]),
            circumstances=latency.circumstances(view),
            sustained=sustained,
            rankings=latency.rankings(sustained),
            quantiles=latency.QUANTILES,
            sanity=explanations.sanity_checks(view),
            baseline_disagreements=explanations.baseline_disagreements(summary),
            claims=claims.answers(view),
            published=published.matching(rows),
            causes=published.likely_causes(rows),
            artifacts=_artifacts(view),
            device_facts=comparison.devices(store).to_dict("records"),
            steps=STEPS,
            colour_maps=colour_tables(),
            gradients=css_gradients(),
            pictures=pictures,
            data={"rows": rows, "charts": charts.page_charts(), "sources": sources},
        )
    )


def _panels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One panel per device, in the order of the rows, and whether it has a latency to show."""
    timed = {row["device"] for row in rows if row["p50_ms"] is not None or row["void_ms"] is not None}
    return [{"name": name, "timed": name in timed} for name in dict.fromkeys(r["device"] for r in rows if r["device"])]


def _scaling(rows: list[dict[str, Any]]) -> list[str]:
    """The devices on which several numbers of threads were timed."""
    counts: dict[str, set[int]] = {}
    for row in rows:
        if row["p50_ms"] is not None:
            counts.setdefault(row["device"], set()).add(row["num_threads"])
    return [device for device, threads in counts.items() if len(threads) > 1]


def _choices(sources: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """What the selectors of the charts offer."""
    wanted = (("noise_sweep", "metric"), ("noise_sweep", "series"), ("layer_sweep", "metric"), ("layer_sweep", "model"),
              ("deployment_gap", "metric"), ("deployment_gap", "label"), ("judge_curves", "metric"),
              ("judge_curves", "label"), ("judge_curves", "model"))  # fmt: skip
    return {f"{source}_{field}": list(dict.fromkeys(r[field] for r in sources[source])) for source, field in wanted}


def _pseudo_gradients(view: RunView) -> dict[str, list[str]]:
    """Per group of networks, the methods that went through their pseudo-gradient."""
    networks: dict[str, list[str]] = {}
    for unit in view.of_kind("saliency"):
        if unit.result.get("pseudo_gradient"):
            networks.setdefault(view.method_labels[unit.key], []).append(unit.spec["model"]["name"])
    groups: dict[str, list[str]] = {}
    for label, names in networks.items():
        groups.setdefault(", ".join(names), []).append(label)
    return groups


def _missing_maps(view: RunView) -> list[dict[str, str]]:
    """The maps that are not on the page, and why."""
    missing = []
    for unit in view.of_kind("saliency"):
        what = {"label": view.method_labels[unit.key], "model": unit.spec["model"]["name"]}
        if unit.status != "done":
            missing.append({**what, "status": unit.status, "reason": view.reason(unit)})
        elif not view.has_blob(unit.result.get("blob")):
            missing.append({**what, "status": "missing", "reason": "not in the run's folder any more"})
    return missing


def _artifacts(view: RunView) -> list[dict[str, Any]]:
    return [
        {
            "model": unit.spec["model"]["name"],
            "format": unit.spec["format"],
            "sha256": unit.result.get("blob", ""),
            "reason": view.reason(unit),
            "parameters": (unit.result.get("contents") or {}).get("parameters"),
            "macs": {name: count for name, count in _macs(unit).items() if count},
            "versions": {name: value for name, value in (unit.spec.get("versions") or {}).items() if value},
        }
        for unit in view.of_kind("conversion")
    ]


def _macs(unit: StoredUnit) -> dict[str, int]:
    """Multiply-accumulates of one inference by arithmetic, where the converter counted them."""
    return (unit.result.get("contents") or {}).get("macs") or {}


def _run_facts(view: RunView) -> dict[str, Any]:
    store = view.store
    failed = [u for u in view.units if u.status == "failed"]
    return {
        "name": store.meta("experiment_name") or store.folder.resolve().name,
        "counts": view.counts(),
        "total": len(view.units),
        "failures": [{"what": _words(u.kind, u.spec), "reason": u.reason} for u in failed],
        "experiment": store.meta("experiment") or "",
        "command": store.meta("command") or "",
        "version": store.meta("bitlens") or "",
        "models": list(view.models.values()),
        "seeds": sorted({u.spec["seed"] for u in view.units if u.spec.get("seed") is not None}),
    }


def _words(kind: str, spec: dict[str, Any]) -> str:
    """A unit in a few words."""
    model = spec.get("model")
    device = spec.get("device")
    parts = [kind, model["name"] if isinstance(model, dict) else "", spec.get("format"), spec.get("method"),
             spec.get("metric"), f"on {device['name']}" if isinstance(device, dict) else ""]  # fmt: skip
    return " ".join(str(part) for part in parts if part)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":"), "ensure_ascii": False}
    environment.filters.update(formatting.FILTERS)
    environment.filters["compact"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["chart_library"] = cache(charts.library)
    return environment
