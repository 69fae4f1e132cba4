"""How the single runs of every deployment spread, and the names that its rows have on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from harness.store.units import StoredUnit
from reports.data.rounds import together
from reports.data.view import INVALID, RunView, is_sustained
from reports.sections.records import Records
from reports.sections.row_names import threads_text
from reports.tables.comparison import RowId, row_id

LATENCY_MARGIN = 0.05  # measured twice on an idle Raspberry Pi, medians commonly differ by a few percent
QUANTILES = 40  # marks of one distribution: its shape, at a fraction of its size


def distributions(view: RunView) -> Records:
    """Evenly spaced quantiles of every row's samples, rounds pooled; those of an invalid measurement say so.

    The time under an emulator is not a latency and has no row.
    """
    rows: dict[RowId, list[StoredUnit]] = {}
    for unit in view.of_kind("latency"):
        if unit.result.get("samples_ns") and not unit.result["emulated"] and not is_sustained(unit):
            rows.setdefault(row_id(unit), []).append(unit)
    return [record for row, rounds in rows.items() for record in _distribution(view, row, rounds)]


def _distribution(view: RunView, row: RowId, rounds: list[StoredUnit]) -> Records:
    samples = [ns for unit in rounds for ns in unit.result["samples_ns"]]
    validity, _ = together([unit.result for unit in rounds])
    common = {
        **row._asdict(),
        "runtime": rounds[0].result["runtime"],
        "family": view.models[row.model]["family"],
        "label": row_label(row) + (", invalid" if validity == INVALID else ""),
        "verdict": validity,
        "median_ms": milliseconds(np.median(samples)),
    }
    quantiles = np.quantile(samples, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    return [{**common, "ms": milliseconds(quantile)} for quantile in quantiles]


def invalid_medians(distributions: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], float]:
    """The medians of invalid measurements by row: to show what was measured, marked as worth nothing."""
    return {row_key(record): record["median_ms"] for record in distributions if record["verdict"] == INVALID}


def row_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] or None for name in RowId._fields)


def row_label(row: RowId) -> str:
    mode = f", {row.mode}" if row.mode not in ("", "burst") else ""
    return f"{row.model} {row.format}{threads_text(row.num_threads)}{mode}"


def milliseconds(ns: Any) -> float:
    return round(float(ns) / 1e6, 5)
