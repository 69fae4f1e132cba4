"""All deployments, one row each: in an order that means something, with the columns that say something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.sections.reasons import Notes
from reports.sections.recommendation import recommended
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts
from reports.sections.table_columns import COLUMNS, Cell, Column, Row

LAST = float("inf")


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    """None without a row. `common` is what is said once, above the table."""
    if not run.rows:
        return None
    first = run.choices[0]["key"] if run.choices else ""
    rows = [{**row, "score": row["scores"].get(first)} for row in run.rows]
    best = set(recommended(run))
    order = ordered(rows, best)
    notes = Notes([rows[at] for at in order])
    columns, common = chosen(rows, notes)
    deployed = _deployed(rows)
    return {
        "lines": [_line(at, rows[at], at in best, columns, notes) for at in order],
        "columns": [{"column": column, "shown": column.shown(deployed or rows)} for column in columns],
        "common": common,
        "has_minor": any(column.minor for column in columns),
        "notes": list(notes),
        "undefined": any(score[4] for row in rows for score in row["scores"].values()),
        "several_devices": len(run.devices) > 1,
        "recommended": len(best),
        "deployments": len(deployed),
    }


def ordered(rows: Sequence[Row], best: set[int]) -> list[int]:
    """Device by device: recommended ones first, then by median latency, then by accuracy; the references come last."""
    devices = list(dict.fromkeys(row["device"] for row in rows if row["device"]))

    def place(at: int) -> tuple[Any, ...]:
        row = rows[at]
        device = devices.index(row["device"]) if row["device"] else len(devices)
        p50 = LAST if row["p50_ms"] is None else row["p50_ms"]
        return row["is_reference"], device, at not in best, p50, -(row["top1"] or 0.0)

    return sorted(range(len(rows)), key=place)


def chosen(rows: Sequence[Row], notes: Notes) -> tuple[list[Column], list[tuple[str, Cell]]]:
    """The columns that say something of these rows, and what all deployments have in common, by title."""
    columns: list[Column] = []
    common: list[tuple[str, Cell]] = []
    deployed = _deployed(rows)
    for column in COLUMNS:
        told = {column.cell(row, notes) for row in (deployed if deployed and column.common else rows)}
        if not any(cell.says_something for cell in told):
            continue
        if column.common and len(told) == 1 and len(deployed) > 1:
            common.append((column.title, told.pop()))
        else:
            columns.append(column)
    return columns, common


def _deployed(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row["is_reference"]]


def _line(at: int, row: Row, is_recommended: bool, columns: Sequence[Column], notes: Notes) -> dict[str, Any]:
    return {
        "at": at,
        "row": row,
        "recommended": is_recommended,
        "kind": ", ".join(_kind(row)),
        "cells": [(column, column.cell(row, notes)) for column in columns],
    }


def _kind(row: Row) -> list[str]:
    """What stands below the name of the model."""
    reference = ["Keras model"] if row["is_reference"] else []
    return [row["family"], *(["random weights"] if row["weights"] == "random" else []), *reference]
