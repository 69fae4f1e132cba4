"""The charts, declared once with Altair: the page embeds them, and the same declarations become SVG and PNG.

A chart names its columns and never computes one. Colours are Okabe and Ito's, which colour-blind readers tell apart;
shape or line style repeats what colour says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

FAMILIES = ("full-precision", "binarized")
FAMILY_COLOURS = ("#0072B2", "#D55E00")
FORMATS = ("keras", "fp32", "fp16", "dynamic", "int8", "lce", "lce-int8")
FORMAT_SHAPES = ("stroke", "circle", "diamond", "triangle-up", "square", "cross", "triangle-down")
WIDTH, HEIGHT = 420, 300

Records = Sequence[Mapping[str, Any]]


def tradeoff(records: Records, *, title: str = "") -> alt.LayerChart:
    """Accuracy against latency, with the intervals of both; a larger mark has the better explanation."""
    base = alt.Chart(_data(records, "rows")).transform_filter("isValid(datum.p50_ms) && isValid(datum.top1_percent)")
    x = alt.X("p50_ms:Q", title="p50 latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=True))
    y = alt.Y("top1_percent:Q", title="top-1 (%)", scale=alt.Scale(zero=False, nice=True))
    points = base.mark_point(filled=True, opacity=0.9, strokeWidth=1.5).encode(
        x,
        y,
        color=_family(),
        shape=alt.Shape("format:N", title="format", scale=alt.Scale(domain=FORMATS, range=FORMAT_SHAPES), legend=None),
        size=alt.Size("quality:Q", title=None, scale=alt.Scale(range=[60, 320]), legend=None),
        tooltip=[alt.Tooltip(f"{name}:N", title=label) for name, label in TOOLTIPS.items()],
    )
    rules = base.mark_rule(opacity=0.45)
    across = rules.encode(x="p50_low_ms:Q", x2="p50_high_ms:Q", y="top1_percent:Q", color=_family())
    upright = rules.encode(x, y="top1_low_percent:Q", y2="top1_high_percent:Q", color=_family())
    return _styled(alt.layer(upright, across, points), title)


TOOLTIPS = {
    "model": "model",
    "family": "family",
    "format": "format",
    "device": "device",
    "runtime": "runtime",
    "num_threads": "threads",
    "top1_text": "top-1",
    "p50_text": "p50",
    "quality_text": "explanation",
    "verdict": "verdict",
    "verdict_reason": "because",
}


def _family() -> alt.Color:
    scale = alt.Scale(domain=FAMILIES, range=FAMILY_COLOURS)
    return alt.Color("family:N", title="family", scale=scale, legend=None)


def _data(records: Records, name: str) -> alt.InlineData:
    """Inline data under a name, by which the page's filters replace it."""
    return alt.InlineData(values=list(records), name=name)


def _styled(chart: Any, title: str) -> Any:
    return (
        chart.properties(width=WIDTH, height=HEIGHT, **({"title": title} if title else {}))
        .configure_view(stroke=None)
        .configure_axis(gridOpacity=0.35, tickSize=4, titleFontWeight="normal", titleFontSize=12, labelFontSize=11)
    )


def specification(chart: Any) -> dict[str, Any]:
    """The chart for the page: as wide as its place, text in the page's own colour, and no addresses."""
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("$schema", None)
    config = spec.setdefault("config", {})
    config.setdefault("axis", {}).update(
        labelColor="currentColor", titleColor="currentColor", gridColor="currentColor", gridOpacity=0.13,
        domainColor="currentColor", tickColor="currentColor", domainOpacity=0.4, tickOpacity=0.4,
    )  # fmt: skip
    config.update(background="transparent", font="system-ui, sans-serif", view={"stroke": None})
    config["legend"] = {"labelColor": "currentColor", "titleColor": "currentColor", "orient": "bottom"}
    config["title"] = {"color": "currentColor", "fontWeight": "normal", "anchor": "start"}
    return spec | {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
