"""How pictures are read where their files leave it open, as an experiment file may say it."""

from __future__ import annotations

import re
from dataclasses import dataclass

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
NOTHING = "nothing"  # what a picture is composed over whose transparency is dropped
COLOURS = {"white": WHITE, "black": (0, 0, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How pictures are read.

    alpha_over  what lies under transparent pixels; None drops the transparency, as Keras does.
    upright     whether the orientation in the Exif data is applied, as every viewer does.
    """

    alpha_over: Colour | None = WHITE
    upright: bool = True


AS_SEEN = Reading()


def colour_of(text: str) -> Colour | None:
    """The colour of `alpha_over`: a name or "#rrggbb"; None for "nothing". Raises ValueError, as pydantic takes it."""
    if text == NOTHING:
        return None
    if text in COLOURS:
        return COLOURS[text]
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ValueError('"white", "black", a colour such as "#808080", or "nothing" to drop transparency')
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue
