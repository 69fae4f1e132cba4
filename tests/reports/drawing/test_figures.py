"""The charts: what tells things apart, and that each can be drawn of the fields it names."""

from __future__ import annotations

import pytest

from converters import FORMATS
from reports.drawing.charts import svg
from reports.drawing.figures import CHARTS, MARKS, marks_of


def test_all_our_formats_together_look_different() -> None:
    shapes, glyphs = zip(*marks_of(list(FORMATS)).values())
    assert len(set(shapes)) == len(set(glyphs)) == len(FORMATS)


def test_a_format_that_nobody_knows_yet_has_a_mark_too() -> None:
    assert marks_of(["fp32", "fp8"])["fp8"] == MARKS[1]
    assert len(marks_of([f"format {number}" for number in range(20)])) == 20


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_nothing_is_an_empty_picture_and_not_an_error(name: str) -> None:
    assert svg(CHARTS[name]()).startswith("<svg")
