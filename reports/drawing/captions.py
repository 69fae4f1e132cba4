"""What a picture says of itself: a title and lines drawn above it, and the same as metadata of its PNG."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

TITLE, TEXT = 17, 13  # pixels
MARGIN = 8
MOST_LINES = 3  # of a title, or of one line that is longer than the picture is wide


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """`facts` are plain data, for programs."""

    title: str
    lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def captioned(picture: Image.Image, caption: Caption) -> Image.Image:
    """The picture beneath its caption."""
    width = picture.width - 2 * MARGIN
    rows = [(line, True) for line in _wrapped(caption.title, _font(bold=True), width)]
    rows += [(part, False) for line in caption.lines for part in _wrapped(line, _font(bold=False), width)]
    heights = [round(1.4 * (TITLE if bold else TEXT)) for _, bold in rows]
    page = Image.new("RGB", (picture.width, picture.height + sum(heights) + 2 * MARGIN), "white")
    draw, top = ImageDraw.Draw(page), MARGIN
    for (line, bold), height in zip(rows, heights):
        draw.text((MARGIN, top), line, fill="black", font=_font(bold=bold))
        top += height
    page.paste(picture, (0, top + MARGIN))
    return page


def as_png(picture: Image.Image, caption: Caption) -> bytes:
    """With the caption's text and facts in it, as PNG's own keywords and as JSON."""
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("Title", caption.title)
    notes.add_itxt("Description", "\n".join(caption.lines))
    notes.add_text("Software", "bitlens")
    notes.add_itxt("bitlens", json.dumps(dict(caption.facts), ensure_ascii=False))
    content = io.BytesIO()
    picture.save(content, "PNG", pnginfo=notes)
    return content.getvalue()


@cache
def _font(*, bold: bool) -> ImageFont.FreeTypeFont:
    """Matplotlib brings it, with letters of most alphabets."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", name)), TITLE if bold else TEXT)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """At most MOST_LINES lines, none wider than this; what is left out becomes an ellipsis."""
    lines = list(_lines(" ".join(text.split()), font, width))
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1][:-1] + "…"]


def _lines(text: str, font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """Broken between words, and within a word that is wider than a line."""
    while font.getlength(text) > width:
        fits = next(n for n in range(len(text) - 1, 0, -1) if n == 1 or font.getlength(text[:n]) <= width)
        between = text.rfind(" ", 0, fits + 1)
        end = between if between > 0 else fits
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    yield text
