"""The picture of docs/ablation.md: each part's effect on each outcome, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

from benchmarks.ablation_effects import Finding

COLOURS = {"clear after correction": "#D55E00", "not clear": "#77828f"}
WIDTH, ROW_STEP = 165, 22  # pixels


def picture(found: Sequence[Finding], *, level: float) -> str:
    """An SVG with one panel per outcome, in the order given, whose rows are the parts.

    level  up to which a corrected p-value makes an effect a clear one.
    """
    outcomes = list(dict.fromkeys(finding.outcome for finding in found))
    panels = [
        _panel([_record(finding, level) for finding in found if finding.outcome == outcome], outcome, first=number == 0)
        for number, outcome in enumerate(outcomes)
    ]
    chart: Any = alt.hconcat(*panels, spacing=14, background="white")
    chart = chart.configure_view(stroke=None).configure_axis(titleFontWeight="normal")
    return str(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def _record(finding: Finding, level: float) -> dict[str, Any]:
    interval = finding.mean.interval
    clear, unclear = COLOURS
    return {
        "part": finding.effect.part,
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "sure": clear if finding.p <= level else unclear,
    }


def _panel(records: Sequence[dict[str, Any]], outcome: str, *, first: bool) -> Any:
    base = alt.Chart(alt.InlineData(values=list(records)))
    labels = alt.Axis(labelLimit=280, ticks=False, domain=False, labels=first)
    y = alt.Y("part:N", title=None, sort=None, axis=labels)
    colour = alt.Color(
        "sure:N",
        scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(title=None, orient="bottom") if first else None,
    )
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="zero:Q")
    spans = base.mark_rule(strokeWidth=2).encode(alt.X("low:Q", title="difference"), alt.X2("high:Q"), y, colour)
    points = base.mark_point(filled=True, size=50, opacity=1).encode(alt.X("value:Q", title="difference"), y, colour)
    title = alt.Title(outcome.split(": "), fontSize=11, fontWeight="normal")
    return alt.layer(zero, spans, points).properties(width=WIDTH, height=alt.Step(ROW_STEP), title=title)
