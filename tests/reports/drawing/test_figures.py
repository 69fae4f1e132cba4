"""The charts: what tells things apart, and that each can be drawn of the fields it names."""

from __future__ import annotations

import pytest

from converters import FORMATS
from reports.drawing.charts import svg
from reports.drawing.descriptions import WORDS
from reports.drawing.encodings import SHAPES, shapes_of
from reports.drawing.figures import CHARTS


def test_all_our_formats_together_look_different() -> None:
    assert len(set(shapes_of(list(FORMATS)).values())) == len(FORMATS)


def test_a_format_that_nobody_knows_yet_has_a_shape_too() -> None:
    assert shapes_of(["fp32", "fp8"])["fp8"] == SHAPES[1]
    assert len(shapes_of([f"format {number}" for number in range(20)])) == 20


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_nothing_is_an_empty_picture_and_not_an_error(name: str) -> None:
    assert svg(name).startswith("<svg")


def test_every_chart_has_its_words() -> None:
    assert list(WORDS) == list(CHARTS)
