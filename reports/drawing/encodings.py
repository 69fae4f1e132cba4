"""What all charts share: the colours and shapes that mean the same everywhere, their legends, and where data goes.

Colours are Okabe and Ito's, which colour-blind readers tell apart; shape or dash repeats what colour says.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

FAMILY_COLOURS = {"full-precision": "#0072B2", "binarized": "#D55E00"}
FAMILIES = tuple(FAMILY_COLOURS)
SHAPES = (  # of the formats of a run, in its order
    "circle",
    "square",
    "cross",
    "diamond",
    "triangle-up",
    "triangle-down",
    "triangle-right",
    "triangle-left",
    "arrow",
)
GROUND = "#fffffe"  # the page puts its own ground in the place of this white
LEGEND_ENTRY = 118  # pixels of one name in a legend, at least

Records = Sequence[Mapping[str, Any]]
Chart = Any  # Altair's chart classes have no useful base in common


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the legends of one run's charts list."""

    families: tuple[str, ...] = FAMILIES
    formats: tuple[str, ...] = ()
    explanation: str = ""  # the score that the first choice is, with its direction
    lower_is_better: bool = False


ANY = Look()


def shapes_of(formats: Sequence[str]) -> dict[str, str]:
    """The shape of each format; with more formats than shapes, some look alike."""
    return dict(zip(formats, itertools.cycle(SHAPES)))


def legend(title: str, **options: Any) -> alt.Legend:
    """One line of names after its title; more lines where the plot is narrow."""
    return alt.Legend(title=title, columns=alt.ExprRef(f"max(1, floor(width / {LEGEND_ENTRY}))"), **options)


def family(look: Look, channel: Any = alt.Color) -> Any:
    scale = alt.Scale(domain=list(FAMILY_COLOURS), range=list(FAMILY_COLOURS.values()))
    return channel("family:N", scale=scale, legend=legend("Family", values=list(look.families), symbolType="circle"))


def format_dash() -> alt.StrokeDash:
    return alt.StrokeDash("format:N", sort=None, legend=legend("Format", symbolType="stroke"))


def model_shape() -> alt.Shape:
    return alt.Shape("model:N", sort=None, scale=alt.Scale(range=list(SHAPES)), legend=legend("Model"))


def long_labels() -> alt.Axis:
    """Names beside rows: in full where there is room, else on two lines and cut; tooltips have all of them."""
    narrow = "containerSize()[0] < 520"
    limit = alt.ExprRef(f"{narrow} ? clamp(0.42 * containerSize()[0], 90, 200) : 300")
    comma = "indexof(datum.label, ', ')"
    halves = f"[slice(datum.label, 0, {comma}), slice(datum.label, {comma} + 2)]"
    return alt.Axis(
        labelLimit=limit, labelExpr=f"{narrow} && {comma} > 0 ? {halves} : datum.label", labelLineHeight=11,
        labelOverlap=False, ticks=False, domain=False, labelPadding=6,
    )  # fmt: skip


def log_ticks() -> alt.Axis:
    """Few enough for their numbers to have room."""
    return alt.Axis(tickCount=alt.ExprRef("max(3, floor(width / 90))"), format="~g")


def tooltip(**titles: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(field=name, type="nominal", title=title) for name, title in titles.items()]


def data(records: Records) -> alt.InlineData:
    """Inline data under a name, by which the page replaces it."""
    return alt.InlineData(values=list(records), name="rows")
