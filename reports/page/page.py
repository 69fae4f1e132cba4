"""The HTML page of a run: one file that needs no network, filled from templates with automatic escaping."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from reports.data import formatting
from reports.data.batches import AWAY
from reports.data.view import RunView
from reports.data.words import damage_sentences, unit_words
from reports.drawing import charts
from reports.drawing.colours import colour_tables
from reports.drawing.descriptions import page_words
from reports.page.heading import when
from reports.sections.looks import look_of
from reports.sections.run_data import RunData
from reports.sections.section import Charts, Section
from reports.sections.section_table import SECTIONS
from reports.tables.columns import TABLES


def render(run: RunData, *, live: str = "") -> str:
    """The page as text: a pure function of the run. `live`, the store's version, makes it report a newer one."""
    charts_of = {section.anchor: section.charts(run) for section in SECTIONS}
    filled = [(section, _filled(section, run, charts_of[section.anchor], live=bool(live))) for section in SECTIONS]
    sources = {name: chart.records for own in charts_of.values() for name, chart in own.items()}
    return (
        _environment()
        .get_template("page.html")
        .render(
            run=_run_facts(run.view),
            live=live,
            devices=run.devices,
            files=[f"{name}.csv" for name in TABLES],
            sections=[(section, content) for section, content in filled if content is not None],
            colour_maps=colour_tables(),
            data={
                "rows": run.rows,
                "charts": charts.page_charts(look_of(run)),
                "words": page_words(),
                "sources": sources,
            },
        )
    )


def _filled(section: Section, run: RunData, own: Charts, *, live: bool) -> Markup | None:
    """The section as HTML, if it has something to say. A live page has no files beside it."""
    facts = section.facts(run, own)
    template = _environment().get_template(section.template)
    return None if facts is None else Markup(template.render(**facts, charts=own, live=live))


def _run_facts(view: RunView) -> dict[str, Any]:
    store = view.store
    failed = [u for u in view.units if u.status == "failed"]
    return {
        "name": store.meta("experiment_name") or store.folder.resolve().name,
        "counts": view.counts(),
        "total": len(view.units),
        "away": list(dict.fromkeys(u.reason for u in view.units if u.status == AWAY)),
        "failures": [{"what": unit_words(u.kind, u.spec), "reason": u.reason} for u in failed],
        "damage": damage_sentences(view),
        "remarks": json.loads(store.meta("remarks") or store.meta("dataset_remarks") or "[]"),
        "version": store.meta("bitlens") or "",
        "models": list(view.models.values()),
        "when": when(view),
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
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":"), "ensure_ascii": False}
    environment.filters.update(formatting.FILTERS)
    environment.filters["compact"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.globals["chart_library"] = cache(charts.library)
    return environment
