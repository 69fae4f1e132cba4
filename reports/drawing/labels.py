"""Where the names of marks stand in a chart: beside them, without covering a mark or another name.

Names take turns, and each takes the best free place around its mark: near before far, off the lines before on them. A
name that stands apart from its mark gets a line to it. Boxes are rows of left, top, right and bottom, in pixels, y
downwards.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FONT_SIZE = 11
LINE_HEIGHT = 14  # pixels of one name, room between two included
LONGEST_NAME = 34  # letters; of a longer one the middle is left out
GAP = 3  # pixels between a mark and its name
APART = 14  # from this distance on, a line leads from the mark to its name
RINGS = (0, 9, 20, 32, 46, 62, 80, 100, 122)  # how much farther than beside the mark a name may stand
DIRECTIONS = tuple(  # of a name as seen from its mark; the best comes first
    itertools.chain(((1, 0), (-1, 0), (0, -1), (0, 1)), itertools.product((1, -1), (-1, 1)))
)
FINER = 10  # how much larger than drawn a text is measured, because letters are measured in whole pixels
ON_A_LINE, ACROSS = 12.0, 60.0  # pixels of distance that a name would rather be away
STEPS = np.arange(1, 8) / 8  # where along a line to a name one looks for what it crosses

Align = Literal["left", "center", "right"]
Array = NDArray[np.float64]
NO_BOXES: Array = np.zeros((0, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is to be named: its place, half its size, and its name; an important one chooses its place earlier."""

    x: float
    y: float
    radius: float
    name: str
    important: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a name stands, in pixels from the centre of its mark, what it covers, and where a line to it ends."""

    dx: float
    dy: float
    align: Align
    box: tuple[float, float, float, float]
    lead: tuple[float, float]
    is_apart: bool


def places(
    marks: Sequence[Mark], lines: Array, *, width: float, height: float, stop_early: bool = False
) -> list[Place | None]:
    """The place of each mark's name; None where there is no room. `lines` are boxes that names rather keep off.

    stop_early  whether the first name without a place leaves all later ones without one, because nobody will use them.
    """
    chosen: list[Place | None] = [None] * len(marks)
    boxes = np.array([[m.x - m.radius, m.y - m.radius, m.x + m.radius, m.y + m.radius] for m in marks]).reshape(-1, 4)
    taken: Array = NO_BOXES
    for index in sorted(range(len(marks)), key=lambda i: (not marks[i].important, -_crowd(marks[i], marks))):
        mark, covered = marks[index], np.vstack([np.delete(boxes, index, axis=0), taken])
        candidates, costs = _candidates(mark, width)
        around = np.array([place.box for place in candidates])
        inside = (around[:, :2] >= 0).all(axis=1) & (around[:, 2:] <= (width, height)).all(axis=1)
        free = inside & ~_meeting(around, covered).any(axis=1)
        if free.any():
            costs = costs + ON_A_LINE * _meeting(around, lines).sum(axis=1)
            costs = costs + ACROSS * _crossed(mark, candidates, covered)
            best = candidates[int(np.argmin(np.where(free, costs, np.inf)))]
            chosen[index] = best
            taken = np.vstack([taken, best.box])
        elif stop_early:
            break
    return chosen


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """The name without its middle, where it is too long: what tells names apart is often at an end."""
    if len(name) <= longest:
        return name
    start = longest // 2
    return f"{name[:start].rstrip()}…{name[len(name) - (longest - start - 1) :].lstrip()}"


@cache
def text_width(text: str, *, bold: bool = False) -> float:
    """Pixels of a text at FONT_SIZE in DejaVu Sans, which is wider than what most systems have."""
    wide = [letter for letter in text if unicodedata.east_asian_width(letter) in "WF"]
    rest = "".join(letter for letter in text if letter not in wide and letter.isprintable())
    return len(wide) * FONT_SIZE + float(_font(bold).getlength(rest)) / FINER


@cache
def _font(bold: bool) -> Any:
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(
        f"{get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf",
        FINER * FONT_SIZE,
        layout_engine=ImageFont.Layout.BASIC,
    )


def _crowd(mark: Mark, marks: Sequence[Mark]) -> int:
    """How many marks are near: who has little choice chooses first."""
    return sum(abs(mark.x - other.x) < 90 and abs(mark.y - other.y) < 2 * LINE_HEIGHT for other in marks)


def _candidates(mark: Mark, width: float) -> tuple[list[Place], Array]:
    """All places around a mark, and how far each is from the best one."""
    found, costs = [], []
    for ring, (order, direction) in itertools.product(RINGS, enumerate(DIRECTIONS)):
        found.append(_place(mark, ring, direction, width))
        costs.append(1.5 * ring + order)
    return found, np.array(costs)


def _place(mark: Mark, ring: float, direction: tuple[int, int], width: float) -> Place:
    """A name so far away in a direction; above and below its mark it is moved sideways into the plot."""
    (right, down), length, half = direction, text_width(mark.name, bold=mark.important), LINE_HEIGHT / 2
    away = mark.radius + GAP + ring
    align: Align = "left" if right > 0 else "right" if right < 0 else "center"
    start = {"left": 0.0, "center": length / 2, "right": length}[align]
    left = mark.x + right * (max(0.6 * mark.radius, ring) if down else away) - start
    if down:
        left = max(0.0, min(left, width - length))
    dy = down * (away + half - 2)
    box = (left, mark.y + dy - half, left + length, mark.y + dy + half)
    lead = (max(left, min(mark.x, left + length)) - mark.x, dy - down * half)
    return Place(dx=left + start - mark.x, dy=dy, align=align, box=box, lead=lead, is_apart=ring >= APART)


def _meeting(boxes: Array, others: Array) -> NDArray[np.bool_]:
    """Which of the boxes (n, 4) meet which of the others (m, 4): (n, m)."""
    one, other = boxes[:, None], others[None]
    meeting: NDArray[np.bool_] = ((one[..., :2] < other[..., 2:]) & (other[..., :2] < one[..., 2:])).all(axis=2)
    return meeting


def _crossed(mark: Mark, candidates: Sequence[Place], covered: Array) -> Array:
    """How many boxes the line to each candidate crosses."""
    ends = np.array([place.lead if place.is_apart else (0.0, 0.0) for place in candidates])
    points = np.array([mark.x, mark.y]) + STEPS[:, None, None] * ends  # (steps, candidates, 2)
    hit = (covered[:, None, None, :2] < points) & (points < covered[:, None, None, 2:])
    crossed: Array = hit.all(axis=3).any(axis=1).sum(axis=0).astype(np.float64)
    return crossed
