"""The trade-off as a picture: its axes, and where each mark and each name stands.

The same for the page, for a page without JavaScript, and for papers: only the width differs. Axes reach as far as the
marks of all deployments, so a filter hides marks and moves none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.drawing.labels import Mark, Place, places, shortened

MARK_SIZES = (50.0, 300.0)  # square pixels of a mark: least and best explained
RADIUS = math.sqrt(MARK_SIZES[1]) / 2
MARGIN = RADIUS + 10  # pixels between the frame and the marks
HEIGHTS = (330, 400, 480, 560, 660, 780, 920, 1100)  # of the plot: the first in which every name has a place
PIECES = 12  # boxes that stand for one slanted line

Record = Mapping[str, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What a plot shows along one side of `length` pixels."""

    low: float
    high: float
    ticks: tuple[float, ...]
    length: float
    is_log: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1."""
        low, high, at = (map(math.log, (self.low, self.high, value))) if self.is_log else (self.low, self.high, value)
        return (at - low) / (high - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A plot of `width` by `height` pixels without its axes, and the place of each record's name in it."""

    width: int
    height: int
    x: Axis
    y: Axis
    names: tuple[Place | None, ...]

    def signals(self) -> dict[str, Any]:
        """What the declared chart has to be told."""
        return {
            **{f"x_{name}": getattr(self.x, name) for name in ("low", "high", "ticks")},
            **{f"y_{name}": getattr(self.y, name) for name in ("low", "high", "ticks")},
        }


def layout(records: Sequence[Record], *, width: int) -> Layout:
    """A plot of the records, high enough for every name, where that is possible.

    records  x (ms) and y (%) with x_low to y_high, None where an interval is unknown; name; worth_a_look.
    """
    for height in HEIGHTS:
        tried = _laid_out(records, width, height, stop_early=True)
        if None not in tried.names:
            return tried
    low, high = (_laid_out(records, width, height) for height in (HEIGHTS[0], HEIGHTS[-1]))
    return high if high.names.count(None) < low.names.count(None) else low


def names(records: Sequence[Record], layout: Layout) -> list[dict[str, Any]]:
    """Per record what the chart draws of its name: the text, where it stands, and where a line to it ends."""
    return [_name(record, place) for record, place in zip(records, layout.names)]


def _name(record: Record, place: Place | None) -> dict[str, Any]:
    if place is None:
        return {"shown_name": "", "dx": 0.0, "dy": 0.0, "align": "left"}
    shown = {"shown_name": shortened(record["name"]), "dx": round(place.dx, 1), "dy": round(place.dy, 1)}
    lead = dict(zip(("lead_dx", "lead_dy"), (round(end, 1) for end in place.lead))) if place.is_apart else {}
    return {**shown, **lead, "align": place.align}


def _laid_out(records: Sequence[Record], width: int, height: int, *, stop_early: bool = False) -> Layout:
    x = _log_axis([record[name] for record in records for name in ("x", "x_low", "x_high")], width)
    y = _linear_axis([record[name] for record in records for name in ("y", "y_low", "y_high")], height)
    marks = [
        Mark(
            x=width * x.share(record["x"]),
            y=height * (1 - y.share(record["y"])),
            radius=RADIUS,
            name=shortened(record["name"]),
            important=record["worth_a_look"],
        )
        for record in records
    ]
    boxes = [box for record in records for box in _intervals(record, x, y)]
    joined = [mark for mark, record in zip(marks, records) if record["worth_a_look"] and not record["is_invalid"]]
    lines = np.array(boxes + _line(joined)).reshape(-1, 4)
    names = places(marks, lines, width=width, height=height, stop_early=stop_early)
    return Layout(width=width, height=height, x=x, y=y, names=tuple(names))


def _intervals(record: Record, x: Axis, y: Axis) -> list[Box]:
    boxes = []
    across, down = x.length * x.share(record["x"]), y.length * (1 - y.share(record["y"]))
    if record["x_low"] is not None and record["x_high"] is not None:
        ends = [x.length * x.share(record[name]) for name in ("x_low", "x_high")]
        boxes.append((ends[0], down - 1, ends[1], down + 1))
    if record["y_low"] is not None and record["y_high"] is not None:
        ends = [y.length * (1 - y.share(record[name])) for name in ("y_high", "y_low")]
        boxes.append((across - 1, ends[0], across + 1, ends[1]))
    return boxes


def _line(marks: Sequence[Mark]) -> list[Box]:
    """Small boxes along the line through the marks, in the order in which it goes through them."""
    in_order = sorted(marks, key=lambda mark: mark.x)
    boxes = []
    for start, end in zip(in_order, in_order[1:]):
        for step in range(PIECES):
            ends = [
                (start.x + part * (end.x - start.x), start.y + part * (end.y - start.y))
                for part in (step / PIECES, (step + 1) / PIECES)
            ]
            (x0, y0), (x1, y1) = ends
            boxes.append((min(x0, x1), min(y0, y1) - 1, max(x0, x1), max(y0, y1) + 1))
    return boxes


def _log_axis(values: Sequence[float | None], length: float) -> Axis:
    known = [math.log(value) for value in values if value]
    low, high = _with_margin(min(known, default=0.0), max(known, default=1.0), length, least=0.2)
    ends = math.exp(low), math.exp(high)
    ones = [
        float(f"{step}e{power}")
        for power in range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
        for step in (1, 2, 5)
    ]
    ticks = tuple(value for value in ones if ends[0] <= value <= ends[1])
    return Axis(low=ends[0], high=ends[1], ticks=ticks if len(ticks) > 2 else _even(*ends), length=length, is_log=True)


def _linear_axis(values: Sequence[float | None], length: float) -> Axis:
    known = [value for value in values if value is not None]
    low, high = _with_margin(min(known, default=0.0), max(known, default=100.0), length, least=1.0)
    return Axis(low=low, high=high, ticks=tuple(t for t in _even(low, high) if 0 <= t <= 100), length=length)


def _with_margin(low: float, high: float, length: float, *, least: float) -> tuple[float, float]:
    """A span of at least `least`, widened on both sides by MARGIN pixels of `length`."""
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    margin = (high - low) * MARGIN / (length - 2 * MARGIN)
    return low - margin, high + margin


def _even(low: float, high: float) -> tuple[float, ...]:
    """Four to eight round numbers at even distances."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return tuple(round(step * n, 12) for n in range(first, math.floor(high / step) + 1))
