"""Accuracy against latency: one panel per device, and the filters of the whole page."""

from __future__ import annotations

from collections.abc import Mapping

from reports.drawing.figures import marks_of
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts:
    glyphs = {name: glyph for name, (_, glyph) in marks_of(run.formats).items()}
    return {"rows": run.rows, "choices": run.choices, "devices": run.devices, "glyphs": glyphs}
