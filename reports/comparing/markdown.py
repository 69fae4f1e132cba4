"""Tables as Markdown, for pull requests and terminals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.store import StoreReader
from reports.comparing.gates import change_text, row_text
from reports.comparing.runs import POINTS, Difference
from reports.data import formatting
from reports.data.view import RunView
from reports.sections.answers import Answer, Finding, answers
from reports.sections.deployments import page_rows
from reports.tables import comparison
from reports.tables.scores import quality_summary

HEADINGS = (
    "model", "format", "device", "threads", "top-1 % (95 %)", "p50 ms", "p90 ms", "memory MiB", "size MiB", "verdict",
)  # fmt: skip


def comparison_markdown(store: StoreReader) -> str:
    """The comparison of a run with the columns that fit a pull request."""
    rows = page_rows(comparison.comparison(store), quality_summary(RunView(store)))
    return markdown_table(HEADINGS, map(_comparison_cells, rows))


def _comparison_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["model"],
        row["format"],
        row["device"] or "host",
        formatting.whole(row["num_threads"]),
        row["top1_text"].replace(" %", "", 1),
        row["no_latency"] or formatting.milliseconds(row["latency_p50_ns"]),
        formatting.milliseconds(row["latency_p90_ns"]),
        formatting.mebibytes(row["peak_rss_bytes"]),
        formatting.mebibytes(row["flatbuffer_bytes"]),
        _verdict(row["status"], row["verdict"], row["verdict_reason"], row["reason"]),
    )


def differences_markdown(differences: Sequence[Difference]) -> str:
    """Every difference in one table."""
    headings = ("run", "deployment", "measure", "before", "after", "change (95 %)", "verdict")
    return markdown_table(headings, map(_difference_cells, differences))


def _difference_cells(d: Difference) -> tuple[str, ...]:
    return d.run, row_text(d), d.measure, value_text(d, d.before), value_text(d, d.after), change_text(d), d.verdict


def claims_markdown(store: StoreReader) -> str:
    """The paper's claims with their numbers, one row per number."""
    return answers_markdown(answers(RunView(store)))


def answers_markdown(found: Iterable[Answer]) -> str:
    """One row per number, after a row for its claim."""
    headings = ("§", "claim", "models", "number", "value (95 %)", "images", "expected", "verdict", "images for 80 %")
    rows: list[tuple[str, ...]] = []
    for answer in found:
        rows.append((answer.section, answer.claim, answer.contrast, "**all together**", *_answer_cells(answer)))
        rows += [("", "", "", *_finding_cells(finding)) for finding in answer.findings]
    return markdown_table(headings, rows)


def _answer_cells(answer: Answer) -> tuple[str, ...]:
    sure = "" if answer.p is None else f"p = {answer.p:.2g} after correction" if answer.p else "values do not vary"
    changed = "" if answer.corrected == answer.verdict else f", {answer.corrected} after correction"
    return sure, "", "", f"**{answer.verdict}**{changed}", ""


def _finding_cells(finding: Finding) -> tuple[str, ...]:
    interval, needed = finding.interval, finding.needed
    bounds = "" if interval.low is None else f" ({interval.low:.3f} to {interval.high:.3f})"
    images = "" if needed is None else f"{needed:,}"
    measured = f"{finding.images:,}" + (f", {finding.seeds} seeds" if finding.seeds > 1 else "")
    return finding.what, f"{interval.value:.3f}{bounds}", measured, finding.expected, finding.verdict, images


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A GitHub table; pipes and line breaks in a cell are escaped, and columns are padded for a terminal's sake."""
    cells = [[_escaped(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\r", " ").replace("\n", " ")


def _verdict(status: str, verdict: str, verdict_reason: str, reason: str) -> str:
    words = [word for word in (verdict, "" if status == "done" else status) if word]
    why = "; ".join(part for part in (verdict_reason, reason) if part)
    return ", ".join(words) + (f": {why}" if why else "")


def value_text(difference: Difference, value: float | None) -> str:
    if value is None:
        return formatting.UNKNOWN
    if difference.unit == POINTS:
        return f"{formatting.percent(value)} %"
    if difference.measure in ("peak_rss", "flatbuffer_bytes"):
        return f"{formatting.mebibytes(value)} MiB"
    return f"{formatting.milliseconds(value)} ms" if difference.unit == "relative" else formatting.decimal(value)
