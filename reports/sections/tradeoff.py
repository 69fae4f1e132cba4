"""Accuracy against latency: one panel per device, and the filters of the whole page."""

from __future__ import annotations

from collections.abc import Mapping

from reports.drawing.figures import FORMAT_MARKS
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts:
    glyphs = {name: FORMAT_MARKS[name][1] for name in run.formats if name in FORMAT_MARKS}
    return {"rows": run.rows, "choices": run.choices, "devices": run.devices, "glyphs": glyphs}
