"""The charts: what tells things apart, and that each can be drawn of the fields it names."""

from __future__ import annotations

import pytest

from converters import FORMATS
from reports.drawing.charts import svg
from reports.drawing.figures import CHARTS, FORMAT_MARKS


def test_every_format_has_a_mark_of_its_own() -> None:
    assert set(FORMAT_MARKS) == set(FORMATS)
    shapes, glyphs = zip(*FORMAT_MARKS.values())
    assert len(set(shapes)) == len(set(glyphs)) == len(FORMATS)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_nothing_is_an_empty_picture_and_not_an_error(name: str) -> None:
    assert svg(CHARTS[name]()).startswith("<svg")
