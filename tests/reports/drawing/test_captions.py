"""A picture says what it shows, on itself and to programs, and stays as it is beneath."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reports.drawing import captions
from reports.drawing.captions import Caption, as_png, captioned

CAPTION = Caption(title="moon 97.2 %", lines=("gradcam of planted-binary",), facts={"class": 3, "name": "möon"})


def picture(width: int = 300) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (100, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_the_picture_stands_unchanged_beneath_dark_text_on_white() -> None:
    plain, page = picture(), captioned(picture(), CAPTION)
    assert page.width == plain.width
    above = page.height - plain.height
    assert np.array_equal(np.asarray(page)[above:], np.asarray(plain))
    text = np.asarray(page)[:above]
    assert text.max() == 255
    assert 0.01 < (text < 128).mean() < 0.3


def test_the_caption_is_in_the_file_for_people_and_programs() -> None:
    with Image.open(io.BytesIO(as_png(picture(), CAPTION))) as opened:
        opened.load()
        assert opened.info["Title"] == CAPTION.title
        assert opened.info["Description"] == CAPTION.lines[0]
        assert json.loads(opened.info["bitlens"]) == CAPTION.facts
    assert as_png(picture(), CAPTION) == as_png(picture(), CAPTION)


@given(st.text(max_size=300), st.integers(40, 400))
def test_no_line_is_wider_than_the_picture(text: str, width: int) -> None:
    font = captions._font(bold=True)
    lines = captions._wrapped(text, font, width)
    assert len(lines) <= captions.MOST_LINES
    assert all(font.getlength(line) <= width + captions.TITLE or len(line) <= 1 for line in lines)


@pytest.mark.parametrize("words", ["a b c", "moon " * 4])
def test_short_text_is_shown_whole(words: str) -> None:
    assert " ".join(captions._wrapped(words, captions._font(bold=False), 300)) == words.strip()
