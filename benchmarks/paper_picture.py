"""The picture of docs/paper.md: SmoothGrad's score against its noise, for both families of each pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

from benchmarks.paper_numbers import Level
from reports.sections.contrasts import FAMILIES

COLOURS = dict(zip(FAMILIES, ("#0072B2", "#D55E00")))
WIDTH, HEIGHT = 240, 190  # pixels


def picture(sweep: Sequence[Level]) -> str:
    """An SVG with one panel per contrast, in the order given; a dashed line is what random maps score."""
    contrasts = list(dict.fromkeys(level.contrast for level in sweep))
    panels = [_panel([level for level in sweep if level.contrast == contrast], contrast) for contrast in contrasts]
    chart: Any = alt.hconcat(*panels, spacing=18, background="white").configure_view(stroke=None)
    return str(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def _panel(levels: Sequence[Level], contrast: str) -> Any:
    records = [
        {
            "noise": 100 * level.noise_level,
            "family": level.family,
            "score": level.score.value,
            "low": level.score.low,
            "high": level.score.high,
            "random": level.random,
        }
        for level in levels
    ]
    base = alt.Chart(alt.InlineData(values=records))
    x = alt.X("noise:Q", title="noise, % of the image's range", scale=alt.Scale(type="log", nice=False))
    colour = alt.Color(
        "family:N",
        scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    y = alt.Y("low:Q", title="normalised insertion", scale=alt.Scale(zero=False))
    spans = base.mark_area(opacity=0.18).encode(x, y, alt.Y2("high:Q"), colour)
    means = base.mark_line(point=True).encode(x, alt.Y("score:Q"), colour)
    floors = base.mark_line(strokeDash=[4, 3]).encode(x, alt.Y("random:Q"), colour)
    title = alt.Title(contrast, fontSize=11, fontWeight="normal")
    return alt.layer(spans, floors, means).properties(width=WIDTH, height=HEIGHT, title=title)
