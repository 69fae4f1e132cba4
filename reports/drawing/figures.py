"""The charts, declared once with Altair: the page embeds them, and the same declarations become SVG and PNG.

A chart names the columns it draws and computes none. Colours are Okabe and Ito's, which colour-blind readers tell
apart; shape or dash repeats what colour says.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

FAMILIES = ("full-precision", "binarized")
FAMILY_COLOURS = ("#0072B2", "#D55E00")
MARKS = (  # of the formats of a run, in its order: the shape of a format's points, and the same for a line of text
    ("circle", "●"),
    ("square", "■"),
    ("cross", "✚"),
    ("diamond", "◆"),
    ("triangle-up", "▲"),
    ("triangle-down", "▼"),
    ("triangle-right", "▶"),
    ("triangle-left", "◀"),
    ("arrow", "⬆"),
)
JUDGE_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00")
ROW_STEP = 20

Records = Sequence[Mapping[str, Any]]
Chart = Any  # Altair's chart classes have no useful base in common


def marks_of(formats: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The shape and glyph of each format; with more formats than marks, some look alike."""
    return dict(zip(formats, itertools.cycle(MARKS)))


def tradeoff(records: Records = ()) -> Chart:
    """Accuracy against latency, with both intervals; a larger mark is better explained, a hollow one is invalid."""
    known = alt.Chart(_data(records)).transform_filter("isValid(datum.top1_percent)")
    base = known.transform_filter("isValid(datum.p50_ms)").transform_calculate(x="datum.p50_ms")
    invalid = known.transform_filter("isValid(datum.invalid_ms)").transform_calculate(x="datum.invalid_ms")
    x = alt.X("x:Q", title="p50 latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=False, padding=24))
    y = alt.Y("top1_percent:Q", title="top-1 (%)", scale=alt.Scale(zero=False, nice=False, padding=18))
    shape = alt.Shape("shape:N", scale=None, legend=None)
    points = base.mark_point(filled=True, opacity=0.9, strokeWidth=1.5).encode(
        x,
        y,
        color=_family(),
        shape=shape,
        size=alt.Size("quality:Q", scale=alt.Scale(range=[70, 330]), legend=None),
        tooltip=_tooltip(
            model="model", family="family", format="format", runtime="runtime", num_threads="threads",
            top1_text="top-1", p50_text="p50", quality_text="explanation", verdict="verdict", verdict_reason="because",
        ),
    )  # fmt: skip
    hollow = invalid.mark_point(filled=False, opacity=0.55, size=110).encode(
        x,
        y,
        color=_family(),
        shape=shape,
        tooltip=_tooltip(model="model", format="format", num_threads="threads", no_latency="p50", verdict_reason="why"),
    )
    rules = base.mark_rule(opacity=0.45)
    across = rules.encode(x="p50_low_ms:Q", x2="p50_high_ms:Q", y="top1_percent:Q", color=_family())
    upright = rules.encode(x, y="top1_low_percent:Q", y2="top1_high_percent:Q", color=_family())
    return alt.layer(upright, across, hollow, points).properties(width=420, height=290)


def latency_distribution(records: Records = ()) -> Chart:
    """One line per artifact and thread count: evenly spaced quantiles of its samples as ticks, the median as a mark."""
    base = alt.Chart(_data(records))
    y = alt.Y("label:N", title=None, sort=alt.SortField("median_ms"), axis=_long_labels())
    x = alt.X("ms:Q", title="latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=False, padding=12))
    tooltip = _tooltip(label="artifact", median_ms="median (ms)", ms="quantile (ms)", verdict="verdict")
    opacity = alt.condition("datum.verdict == 'valid'", alt.value(0.75), alt.value(0.28))
    ticks = base.mark_tick(thickness=1.3, height=13).encode(x, y, color=_family(), opacity=opacity, tooltip=tooltip)
    medians = base.transform_aggregate(ms="max(median_ms)", groupby=["label", "family", "median_ms"])
    marks = medians.mark_point(filled=True, size=46, stroke="white", strokeWidth=1).encode(x, y, color=_family())
    return alt.layer(ticks, marks).properties(width=640, height=alt.Step(ROW_STEP))


def thread_scaling(records: Records = ()) -> Chart:
    """p50 against threads, both logarithmic: a straight line down is perfect scaling."""
    base = alt.Chart(_data(records)).transform_filter("isValid(datum.p50_ms) && isValid(datum.num_threads)")
    lines = base.mark_line(point=alt.OverlayMarkDef(size=46), strokeWidth=1.6).encode(
        alt.X("num_threads:O", title="threads", axis=alt.Axis(labelAngle=0)),
        alt.Y("p50_ms:Q", title="p50 latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=False, padding=16)),
        color=_family(),
        detail=["model:N", "format:N", "runtime:N", "mode:N"],
        strokeDash=alt.StrokeDash("format:N", legend=None),
        tooltip=_tooltip(model="model", format="format", runtime="runtime", num_threads="threads", p50_text="p50"),
    )
    return lines.properties(width=420, height=250)


def latency_over_time(records: Records = ()) -> Chart:
    """Median latency in windows of a long measurement: a rising line is a board that cannot keep its speed."""
    lines = (
        alt.Chart(_data(records))
        .mark_line(strokeWidth=1.6)
        .encode(
            alt.X("seconds:Q", title="seconds since the start"),
            alt.Y("ms:Q", title="median latency (ms)", scale=alt.Scale(zero=False)),
            color=_family(),
            detail="label:N",
            strokeDash=alt.StrokeDash("format:N", legend=None),
            tooltip=_tooltip(label="artifact", seconds="seconds", ms="median (ms)"),
        )
    )
    return lines.properties(width=640, height=240)


def noise_sweep(records: Records = ()) -> Chart:
    """A score against SmoothGrad's noise level: mean over images with its 95 % interval, one line per model."""
    x = alt.X("noise_percent:Q", title="noise level (% of the image's range, logarithmic)", scale=_log())
    tooltip = _tooltip(model="model", noise_percent="noise (%)", mean="mean", low="low", high="high")
    return _line_with_band(_with_percent(records), x, tooltip).properties(width=460, height=280)


def layer_sweep(records: Records = ()) -> Chart:
    """A score against the explained layer, one line per model."""
    x = alt.X("layer:N", title="layer", sort=None, axis=alt.Axis(labelAngle=-40, labelLimit=130))
    tooltip = _tooltip(model="model", layer="layer", mean="mean", low="low", high="high")
    return _line_with_band(records, x, tooltip).properties(width=460, height=280)


def deployment_gap(records: Records = ()) -> Chart:
    """Deployed minus float judge, paired by image, with its 95 % interval; zero means that the explanation holds."""
    base = alt.Chart(_data(records))
    y = alt.Y("deployment:N", title=None, sort=None, axis=_long_labels())
    tooltip = _tooltip(deployment="artifact", label="method", gap="difference", gap_low="low", gap_high="high")
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="zero:Q")
    spans = base.mark_rule(strokeWidth=2, opacity=0.6).encode(x="gap_low:Q", x2="gap_high:Q", y=y, color=_family())
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(
        alt.X("gap:Q", title="deployed judge − float judge"), y,
        color=_family(), tooltip=tooltip,
    )  # fmt: skip
    return alt.layer(zero, spans, marks).properties(width=640, height=alt.Step(ROW_STEP + 4))


def judge_curves(records: Records = ()) -> Chart:
    """The class's probability along insertion or deletion, one line per judge."""
    return (
        alt.Chart(_data(records))
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=1.6)
        .encode(
            alt.X("changed_percent:Q", title="pixels changed, most salient first (%)"),
            alt.Y("mean:Q", title="mean probability of the class", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("judge:N", scale=alt.Scale(range=JUDGE_COLOURS), legend=alt.Legend(title="judge")),
            strokeDash=alt.StrokeDash("judge:N", legend=None),
            tooltip=_tooltip(judge="judge", changed_percent="% changed", mean="mean probability"),
        )
        .properties(width=460, height=280)
    )


def published(records: Records = ()) -> Chart:
    """This run's p50 next to published figures of other boards."""
    points = (
        alt.Chart(_data(records))
        .mark_point(filled=True, size=90, opacity=0.9)
        .encode(
            alt.X("ms:Q", title="latency (ms, logarithmic)", scale=alt.Scale(type="log", nice=False, padding=16)),
            alt.Y("label:N", title=None, sort="x", axis=_long_labels()),
            shape=alt.Shape("origin:N", legend=alt.Legend(title=None)),
            color=alt.Color("origin:N", scale=alt.Scale(range=["#D55E00", "#8a94a0"]), legend=alt.Legend(title=None)),
            tooltip=_tooltip(label="what", ms="ms", source="source"),
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


def _line_with_band(records: Records, x: alt.X, tooltip: list[alt.Tooltip]) -> Chart:
    base = alt.Chart(_data(records))
    scale = alt.Scale(zero=False, nice=True)
    band = base.mark_area(opacity=0.12).encode(
        x,
        alt.Y("low:Q", title="mean score over images", scale=scale),
        alt.Y2("high:Q"),
        color=_family(),
        detail="model:N",
    )
    lines = base.mark_line(point=alt.OverlayMarkDef(size=40), strokeWidth=1.6).encode(
        x, alt.Y("mean:Q", title="mean score over images", scale=scale), color=_family(), detail="model:N",
        tooltip=tooltip,
    )  # fmt: skip
    return alt.layer(band, lines)


def _with_percent(records: Records) -> Records:
    return [{**record, "noise_percent": 100 * record["noise_level"]} for record in records]


def _family() -> alt.Color:
    return alt.Color("family:N", scale=alt.Scale(domain=FAMILIES, range=FAMILY_COLOURS), legend=None)


def _log() -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=10)


def _long_labels() -> alt.Axis:
    return alt.Axis(labelLimit=230, ticks=False, domain=False, labelPadding=6)


def _tooltip(**titles: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(field=name, type="nominal", title=title) for name, title in titles.items()]


def _data(records: Records) -> alt.InlineData:
    """Inline data under a name, by which the page replaces it."""
    return alt.InlineData(values=list(records), name="rows")
