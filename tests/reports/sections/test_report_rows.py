"""The table of deployments: the order of its rows, and the columns that say something."""

from __future__ import annotations

from typing import Any

from reports.sections.reasons import SAID, Notes
from reports.sections.table import chosen, ordered
from reports.sections.table_columns import COLUMNS
from reports.tables.columns import COMPARISON


def row(model: str, device: str = "pi4", *, ms: float | None = None, **more: Any) -> dict[str, Any]:
    blank = {column.name: "" if column.dtype == "string" else None for column in COMPARISON}
    known = {"model": model, "device": device, "format": "fp32", "runtime": "litert", "num_threads": 1}
    timed = {"p50_ms": ms, "latency_p50_ns": None if ms is None else round(1e6 * ms), "invalid_ms": None}
    status = {"status": "done", "verdict": "valid" if ms else "", "scores": {}, "score": None, "is_reference": False}
    return {**blank, **dict.fromkeys(SAID, ""), **known, **timed, **status, **more}


REFERENCE = row("a", "", is_reference=True, format="keras")


def shown(rows: list[dict[str, Any]]) -> tuple[list[str], dict[str, str]]:
    columns, common = chosen(rows, Notes(rows))
    return [column.title for column in columns], {title: cell.text for title, cell in common}


def test_rows_go_device_by_device_with_the_recommended_first_and_then_by_latency() -> None:
    rows = [
        REFERENCE,
        row("slow", ms=9),
        row("untimed"),
        row("fast", ms=1),
        row("best", ms=5),
        row("other", "zero", ms=2),
        row("failed", ""),
    ]
    names = [rows[at]["model"] for at in ordered(rows, {4})]
    assert names == ["best", "fast", "slow", "untimed", "other", "failed", "a"]


def test_what_all_deployments_share_is_said_once_and_unknown_columns_are_left_out() -> None:
    columns, common = shown([REFERENCE, row("a", ms=1), row("b", ms=2)])
    assert columns == ["Median latency"]
    assert common == {"Format": "fp32", "Device": "pi4", "Runtime": "litert", "Threads": "1", "Validity": ""}


def test_equal_results_are_results_and_stay_a_column() -> None:
    columns, _ = shown([row("a", ms=1), row("b", ms=1)])
    assert "Median latency" in columns


def test_what_only_the_keras_model_has_is_shown_too() -> None:
    columns, common = shown([REFERENCE | {"top1": 0.9, "top1_low": 0.8, "top1_high": 0.95}])
    assert columns == ["Format", "Device", "Runtime", "Threads", "Top-1"]
    assert common == {}


def test_a_score_that_a_reader_may_select_keeps_its_column() -> None:
    assert "Explanation" in shown([row("a", ms=1, scores={"auc|gradient": [0.5, None, None, 3, 0]})])[0]


def test_one_deployment_keeps_its_columns() -> None:
    columns, common = shown([row("a", ms=1)])
    assert common == {}
    assert {"Format", "Device", "Median latency", "Validity"} <= set(columns)


def test_a_deployment_without_a_device_keeps_the_column_for_the_others() -> None:
    columns, common = shown([row("a", ms=1), row("b", "", status="failed")])
    assert "Device" in columns
    assert "Device" not in common


def test_a_suspect_artifact_shows_the_fidelity_unasked() -> None:
    [fidelity] = [column for column in COLUMNS if column.key == "top1_agreement"]
    assert fidelity.shown([row("a", fidelity="suspect")])
    assert not fidelity.shown([row("a", fidelity="ok")])
