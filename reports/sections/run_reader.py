"""Reads a run once, for all sections of the page and for the figures."""

from __future__ import annotations

from harness.store import StoreReader
from reports.data.view import RunView
from reports.sections.deployments import explanation_choices, page_rows
from reports.sections.distributions import distributions
from reports.sections.records import Records
from reports.sections.run_data import RunData
from reports.tables import comparison
from reports.tables.scores import quality_summary


def read_run(store: StoreReader) -> RunData:
    view = RunView(store)
    summary, spread = quality_summary(view), distributions(view)
    formats = tuple(dict.fromkeys(unit.spec["format"] for unit in view.of_kind("conversion")))
    rows = page_rows(comparison.comparison(store), summary, spread)
    return RunData(
        view=view,
        rows=rows,
        summary=summary,
        distributions=spread,
        choices=explanation_choices(summary),
        devices=_devices(rows),
        formats=formats,
    )


def _devices(rows: Records) -> Records:
    timed = {row["device"] for row in rows if row["p50_ms"] is not None or row["invalid_ms"] is not None}
    return [{"name": name, "timed": name in timed} for name in dict.fromkeys(r["device"] for r in rows if r["device"])]
