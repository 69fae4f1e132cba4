"""Accuracy against latency, with the score of explanations as a third axis: the fuller a mark, the better explained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import altair as alt

from reports.drawing.encodings import ANY, GROUND, Chart, Look, Records, data, family, legend, shapes_of, tooltip
from reports.drawing.labels import FONT_SIZE
from reports.drawing.layout import MARK_SIZES, layout, names

WIDTH, HEIGHT = 600, 330
FULLNESS = (0.12, 1.0)  # opacity of a mark's inside: least and best explained
MOST_SCORES = 4  # in the legend
EMPTY = {"x_low": 1.0, "x_high": 10.0, "x_ticks": [1, 10], "y_low": 0.0, "y_high": 100.0, "y_ticks": [0, 100]}


def tradeoff(records: Records = (), look: Look = ANY) -> Chart:
    """Marks with both intervals and their names, and a line through the deployments worth considering.

    records  x (ms) and y (%) with x_low to y_high; name, worth_a_look, is_invalid, quality. Without any, the page gives
             them later, with the places of their names and the values of the parameters.
    """
    plan = layout(records, width=WIDTH) if records else None
    signals = plan.signals() if plan else EMPTY
    placed = [{**record, **name} for record, name in zip(records, names(records, plan))] if plan else []
    scores = quality_signals((record["quality"] for record in records), look)
    height = plan.height if plan else HEIGHT
    parameters = [alt.param(name=name, value=value) for name, value in {**signals, **scores}.items()]
    return (
        alt.layer(*_layers(alt.Chart(data(placed)), look))
        .add_params(*parameters)
        .properties(width=WIDTH, height=height)
    )


def quality_signals(scores: Iterable[float | None], look: Look) -> dict[str, Any]:
    """What the scale and the legend of the third axis need: the scores themselves, of many four at even distances."""
    ticks = sorted({score for score in scores if score is not None})
    if len(ticks) > MOST_SCORES:
        step = (ticks[-1] - ticks[0]) / (MOST_SCORES - 1)
        ticks = [ticks[0] + step * n for n in range(MOST_SCORES)]
    return {"quality_ticks": ticks, "quality_title": look.explanation, "lower_is_better": look.lower_is_better}


def finished(vega: dict[str, Any]) -> dict[str, Any]:
    """What Vega-Lite cannot say of a legend: marks as full as in the chart, and a title that changes."""
    for each in vega.get("legends", []):
        if "size" in each:
            symbols = each.setdefault("encode", {}).setdefault("symbols", {}).setdefault("update", {})
            symbols["fillOpacity"] = {"scale": "fillOpacity", "field": "value"}
            each["title"] = {"signal": "quality_title"}
    return vega


def _layers(base: Chart, look: Look) -> list[Chart]:
    x = alt.X("x:Q", title="median latency (ms, logarithmic)", scale=_scale("x", type="log"), axis=_axis("x"))
    y = alt.Y("y:Q", title="top-1 accuracy (%)", scale=_scale("y", zero=False), axis=_axis("y"))
    stroke = family(look, alt.Stroke)
    rules = base.mark_rule(opacity=0.5, strokeWidth=1.2)
    line = base.transform_filter("datum.worth_a_look && !datum.is_invalid").mark_line(
        strokeDash=[5, 4], strokeWidth=1.3, opacity=0.75
    )
    leads = base.transform_filter("isValid(datum.lead_dx)").mark_rule(
        opacity=0.45, strokeWidth=0.8, x2Offset=alt.ExprRef("datum.lead_dx"), y2Offset=alt.ExprRef("datum.lead_dy")
    )
    ground = base.mark_point(filled=True, color=GROUND, opacity=1, tooltip=None)
    return [
        rules.encode(x, alt.Y("y_low:Q"), alt.Y2("y_high:Q"), stroke=stroke),
        rules.encode(alt.X("x_low:Q"), alt.X2("x_high:Q"), y=y, stroke=stroke),
        line.encode(x, y, order="x:Q"),
        leads.encode(x, y, x2="x:Q", y2="y:Q"),
        ground.encode(x, y, size=alt.value(MARK_SIZES[0])),
        _points(base, look).encode(x, y),
        *(_names(base, weight).encode(x, y, text="shown_name:N") for weight in ("normal", "bold")),
    ]


def _points(base: Chart, look: Look) -> Chart:
    """Without a score a mark is full where none has one, and empty beside others that have one."""
    shapes = shapes_of(look.formats)
    of_formats = alt.Scale(domain=list(shapes), range=list(shapes.values()))
    scored, invalid = alt.when("isValid(datum.quality)"), alt.when("datum.is_invalid")
    fullness = scored.then(_quality(alt.FillOpacity, FULLNESS, look)).otherwise(
        alt.value(0.0 if look.explanation else 0.85)
    )
    marks = base.mark_point(filled=True, strokeWidth=1.8, invalid=None)
    return marks.encode(
        fill=family(look, alt.Fill),
        stroke=family(look, alt.Stroke),
        shape=alt.Shape("format:N", scale=of_formats, legend=legend("Format")) if shapes else alt.value("circle"),
        size=scored.then(_quality(alt.Size, MARK_SIZES, look)).otherwise(alt.value(110)),
        fillOpacity=fullness,
        opacity=invalid.then(alt.value(0.5)).otherwise(alt.value(1)),
        strokeDash=invalid.then(alt.value([3, 2])).otherwise(alt.value([1, 0])),
        tooltip=tooltip(
            model="model", family="family", format="format", runtime="runtime", num_threads="threads",
            y_text="top-1", x_text="median latency", quality_text="explanation", verdict="validity",
            verdict_reason="because",
        ),
    )  # fmt: skip


def _quality(channel: Any, ends: tuple[float, float], look: Look) -> Any:
    scale = alt.Scale(range=list(ends), zero=False, nice=False, reverse=alt.ExprRef("lower_is_better"))
    limit = alt.ExprRef("width + 40")
    shown = legend(
        "score",
        values=alt.ExprRef("quality_ticks"),
        format=".3f",
        symbolType="circle",
        titleOrient="top",
        titleLimit=limit,
    )
    return channel("quality:Q", scale=scale, legend=shown if look.explanation else None)


def _names(base: Chart, weight: str) -> Chart:
    """The names of what is worth considering are bold."""
    return base.transform_filter(f"{'' if weight == 'bold' else '!'}datum.worth_a_look").mark_text(
        fontSize=FONT_SIZE, fontWeight=weight, baseline="middle", align=alt.ExprRef("datum.align"),
        xOffset=alt.ExprRef("datum.dx"), yOffset=alt.ExprRef("datum.dy"),
    )  # fmt: skip


def _scale(side: str, **options: Any) -> alt.Scale:
    return alt.Scale(domain=[alt.ExprRef(f"{side}_low"), alt.ExprRef(f"{side}_high")], nice=False, **options)


def _axis(side: str) -> alt.Axis:
    return alt.Axis(values=alt.ExprRef(f"{side}_ticks"), format="~g")
