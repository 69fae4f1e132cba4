"""Latencies that others published for well-known boards, next to this run's, and likely causes of a large gap."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from reports.sections.run_data import RunData
from reports.sections.section import Chart, Charts, Facts

LARGE_GAP = 1.5  # clocks, thread counts and versions explain differences below this

GENERAL_CAUSES = (
    "The system is 32-bit, or the runtime was built without NEON: an aarch64 system and its own wheel are needed.",
    "The power supply is weak or the board is hot, and the firmware lowers the clock: see the measurement conditions.",
    "Fewer threads than the published figure used, or threads on small cores.",
    "The published artifact is another version of the model: older QuickNets had other layers.",
)

Row = Mapping[str, Any]


def charts(run: RunData) -> Charts:
    return {"published": Chart(records=beside(run.rows))}


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    figures_of_models = matching(run.rows)
    if not figures_of_models:
        return None
    return {"published": figures_of_models, "causes": likely_causes(run.rows)}


@cache
def figures() -> list[dict[str, Any]]:
    """Every published figure, with its source's facts beside it."""
    table = json.loads(files("reports").joinpath("published.json").read_text("utf-8"))
    return [{**figure, **_source(table["sources"][figure["source"]])} for figure in table["figures"]]


def _source(source: Mapping[str, str]) -> dict[str, str]:
    return {**{name: source[name] for name in ("runtime", "url", "measured", "conditions")}, "source": source["source"]}


def matching(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The published figures of the models that this run timed."""
    timed = {_plain_name(row["model"]) for row in rows if row["p50_ms"] is not None}
    return [figure for figure in figures() if timed & set(figure["aliases"])]


def beside(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Chart records: the published figures that match, and this run's rows of the same models."""
    figures_of_models = matching(rows)
    names = {alias for figure in figures_of_models for alias in figure["aliases"]}
    own = [row for row in rows if row["p50_ms"] is not None and _plain_name(row["model"]) in names]
    return [
        *({"label": _label(row["model"], f"{row['format']} on {row['device']}", row["num_threads"]),
           "ms": row["p50_ms"], "origin": "this run", "source": "this run"} for row in own),
        *({"label": _label(figure["model"], figure["board"], figure["num_threads"]),
           "ms": figure["ms"], "origin": "published", "source": figure["source"]} for figure in figures_of_models),
    ]  # fmt: skip


def likely_causes(rows: Sequence[Row]) -> list[str]:
    """For every row that is far slower than a figure of the same model and thread count: what its own facts suggest.

    Then the general causes. Empty when no row is far slower.
    """
    slow = [
        (row, figure) for row in rows for figure in [_counterpart(row)] if figure and _ratio(row, figure) > LARGE_GAP
    ]
    causes = [
        f"{row['model']} {row['format']} on {row['device']} takes {_ratio(row, figure):.1f} times as long as "
        f"{figure['board']} in {figure['measured'][:4]}{_suspicions(row)}"
        for row, figure in slow
    ]
    return [*causes, *GENERAL_CAUSES] if causes else []


def _counterpart(row: Row) -> Row | None:
    """The slowest board published for this model with as many threads: who is slower than that asks why."""
    if row["p50_ms"] is None:
        return None
    name = _plain_name(row["model"])
    same = [f for f in figures() if name in f["aliases"] and f["num_threads"] == row["num_threads"]]
    return max(same, key=lambda figure: figure["ms"], default=None)


def _ratio(row: Row, figure: Row) -> float:
    return float(row["p50_ms"] / figure["ms"])


def _suspicions(row: Row) -> str:
    reasons = [
        "reference kernels ran, not optimized ones" if row["kernels"] == "reference" else "",
        f"the measurement is suspect ({row['verdict_reason']})" if row["verdict"] == "suspect" else "",
    ]
    known = [reason for reason in reasons if reason]
    return f": {'; '.join(known)}." if known else "."


def _label(model: str, place: str, num_threads: int | None) -> str:
    return f"{model}, {place}, {num_threads} thread{'' if num_threads == 1 else 's'}"


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
