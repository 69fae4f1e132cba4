"""The charts, declared once with Altair: the page embeds them, and the same declarations become SVG and PNG.

A chart names the columns it draws and computes none.
"""

from __future__ import annotations

from typing import Any

import altair as alt

from reports.drawing.encodings import (
    ANY,
    Chart,
    Look,
    Records,
    data,
    family,
    format_dash,
    legend,
    log_ticks,
    long_labels,
    model_shape,
    tooltip,
)
from reports.drawing.tradeoff_chart import finished, tradeoff

LINE_COLOURS = ("#000000", "#C77700", "#3A8FC4", "#009E73", "#C0609A", "#0072B2", "#D55E00")  # seen on light and dark
ROW_STEP = 26


def latency_distribution(records: Records = (), look: Look = ANY) -> Chart:
    """One line per deployment: evenly spaced quantiles of its samples as ticks, the median as a mark."""
    base = alt.Chart(data(records))
    y = alt.Y("label:N", title=None, sort=alt.SortField("median_ms"), axis=long_labels())
    x = alt.X(
        "ms:Q", title="latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=False, padding=12), axis=log_ticks()
    )
    told = tooltip(label="deployment", median_ms="median (ms)", ms="quantile (ms)", verdict="verdict")
    opacity = alt.condition("datum.verdict == 'valid'", alt.value(0.75), alt.value(0.28))
    ticks = base.mark_tick(thickness=1.3, height=13).encode(x, y, color=family(look), opacity=opacity, tooltip=told)
    medians = base.transform_aggregate(ms="max(median_ms)", groupby=["label", "family", "median_ms"])
    marks = medians.mark_point(filled=True, size=46, stroke="white", strokeWidth=1).encode(x, y, color=family(look))
    return alt.layer(ticks, marks).properties(width=640, height=alt.Step(ROW_STEP))


def thread_scaling(records: Records = (), look: Look = ANY) -> Chart:
    """Median latency against threads: each doubling of threads that halves the time is perfect scaling."""
    base = alt.Chart(data(records)).transform_filter("isValid(datum.p50_ms) && isValid(datum.num_threads)")
    x = alt.X("num_threads:O", title="threads", axis=alt.Axis(labelAngle=0))
    y = alt.Y("p50_ms:Q", title="median latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=False, padding=16))
    told = tooltip(model="model", format="format", runtime="runtime", num_threads="threads", p50_text="median latency")
    own = ["model:N", "format:N", "runtime:N", "mode:N"]
    lines = base.mark_line(strokeWidth=1.6).encode(x, y, color=family(look), strokeDash=format_dash(), detail=own)
    marks = base.mark_point(filled=True, size=60, opacity=1).encode(
        x, y, color=family(look), shape=model_shape(), tooltip=told
    )
    return alt.layer(lines, marks).properties(width=420, height=250)


def latency_over_time(records: Records = (), look: Look = ANY) -> Chart:
    """Median latency in windows of a long measurement: a rising line is a board that cannot keep its speed."""
    return (
        alt.Chart(data(records))
        .mark_line(strokeWidth=1.6)
        .encode(
            alt.X("seconds:Q", title="time since the start (s)"),
            alt.Y("ms:Q", title="median latency (ms)", scale=alt.Scale(zero=False)),
            **_told_apart("label", "Deployment"),
            tooltip=tooltip(label="deployment", seconds="seconds", ms="median (ms)"),
        )
        .properties(width=640, height=240)
    )


def noise_sweep(records: Records = (), look: Look = ANY) -> Chart:
    """A score against SmoothGrad's noise level: mean over images with its 95 % interval, one line per model."""
    x = alt.X("noise_percent:Q", title="noise level (% of the image's range, logarithmic)", scale=_log())
    told = tooltip(model="model", noise_percent="noise (%)", mean="mean", low="low", high="high")
    return _line_with_band(_with_percent(records), x, look, told).properties(width=460, height=280)


def layer_sweep(records: Records = (), look: Look = ANY) -> Chart:
    """A score against the explained layer, one line per model."""
    x = alt.X("layer:N", title="layer", sort=None, axis=alt.Axis(labelAngle=-40, labelLimit=130))
    told = tooltip(model="model", layer="layer", mean="mean", low="low", high="high")
    return _line_with_band(records, x, look, told).properties(width=460, height=280)


def deployment_gap(records: Records = (), look: Look = ANY) -> Chart:
    """Deployed minus float judge, paired by image, with its 95 % interval; zero means that the explanation holds."""
    base = alt.Chart(data(records))
    y = alt.Y("deployment:N", title=None, sort=None, axis=long_labels())
    told = tooltip(deployment="deployment", label="method", gap="difference", gap_low="low", gap_high="high")
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="zero:Q")
    spans = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x="gap_low:Q", x2="gap_high:Q", y=y, color=family(look))
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(
        alt.X("gap:Q", title="deployed judge − float judge"), y,
        color=family(look), tooltip=told,
    )  # fmt: skip
    return alt.layer(zero, spans, marks).properties(width=640, height=alt.Step(ROW_STEP + 4))


def judge_curves(records: Records = (), look: Look = ANY) -> Chart:
    """The class's probability along insertion or deletion, one line per judge."""
    return (
        alt.Chart(data(records))
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=1.6)
        .encode(
            alt.X("changed_percent:Q", title="pixels changed, most salient first (%)"),
            alt.Y("mean:Q", title="mean probability of the class", scale=alt.Scale(domain=[0, 1])),
            **_told_apart("judge", "Judge"),
            tooltip=tooltip(judge="judge", changed_percent="% changed", mean="mean probability"),
        )
        .properties(width=460, height=280)
    )


def published(records: Records = (), look: Look = ANY) -> Chart:
    """This run's medians next to published figures of other boards."""
    points = (
        alt.Chart(data(records))
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(
            alt.X(
                "ms:Q",
                title="latency (ms, logarithmic)",
                scale=alt.Scale(type="log", nice=False, padding=16),
                axis=log_ticks(),
            ),
            alt.Y("label:N", title=None, sort="x", axis=long_labels()),
            shape=alt.Shape("origin:N", legend=legend("Measured by")),
            color=alt.Color("origin:N", scale=alt.Scale(range=["#D55E00", "#77828f"]), legend=legend("Measured by")),
            tooltip=tooltip(label="what", ms="ms", source="source"),
        )
    )
    return points.properties(width=640, height=alt.Step(ROW_STEP + 4))


CHARTS = {
    "tradeoff": tradeoff,
    "latency_distribution": latency_distribution,
    "thread_scaling": thread_scaling,
    "latency_over_time": latency_over_time,
    "noise_sweep": noise_sweep,
    "layer_sweep": layer_sweep,
    "deployment_gap": deployment_gap,
    "judge_curves": judge_curves,
    "published": published,
}
FINISHED = {"tradeoff": finished}  # what is done to a chart in Vega's own words
SCALED = ("tradeoff",)  # drawn at a width of its own and scaled to its place, because names have places in it


def _line_with_band(records: Records, x: alt.X, look: Look, told: list[alt.Tooltip]) -> Chart:
    base = alt.Chart(data(records))
    y = alt.Y("mean:Q", title="mean score over images", scale=alt.Scale(zero=False, nice=True))
    low = alt.Y("low:Q", title="mean score over images", scale=alt.Scale(zero=False, nice=True))
    band = base.mark_area(opacity=0.12).encode(x, low, alt.Y2("high:Q"), color=family(look), detail="model:N")
    lines = base.mark_line(strokeWidth=1.6).encode(x, y, color=family(look), detail="model:N")
    marks = base.mark_point(filled=True, size=60, opacity=1).encode(
        x, y, color=family(look), shape=model_shape(), tooltip=told
    )
    return alt.layer(band, lines, marks)


def _told_apart(field: str, title: str) -> dict[str, Any]:
    """Lines by colour and by dash, in one legend."""
    return {
        "color": alt.Color(f"{field}:N", sort=None, scale=alt.Scale(range=LINE_COLOURS), legend=_wide(title)),
        "strokeDash": alt.StrokeDash(f"{field}:N", sort=None, legend=_wide(title)),
    }


def _wide(title: str) -> alt.Legend:
    """For names that may be long."""
    return alt.Legend(
        title=title, columns=alt.ExprRef("max(1, floor(width / 240))"), symbolType="stroke", labelLimit=260
    )


def _with_percent(records: Records) -> Records:
    return [{**record, "noise_percent": 100 * record["noise_level"]} for record in records]


def _log() -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=10)
