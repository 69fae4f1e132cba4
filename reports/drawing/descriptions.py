"""What each chart shows in words, and its data as a table: for who cannot see it, and for who wants the numbers.

The page makes both of the records that a chart shows at the moment, so they follow its filters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How to speak of a chart.

    things   what its records are, and `name` the field by which each is called.
    ranges   of which fields the least and the largest value are said, each with its name and unit.
    columns  the fields of the table, with their headings; equal lines are shown once.
    on_line  the field that says whether a record is on the chart's line.
    """

    things: str
    name: str
    ranges: Mapping[str, str]
    columns: Mapping[str, str]
    on_line: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


SCORES = {"mean": "Mean", "low": "From", "high": "To"}
WORDS = {
    "tradeoff": Words(
        things="deployments",
        name="name",
        ranges={"x": "median latency (ms)", "y": "top-1 accuracy (%)", "quality": "explanation score"},
        columns={
            "name": "Deployment",
            "x_text": "Median latency",
            "y_text": "Top-1 (95 %)",
            "quality_text": "Explanation",
            "worth_a_look": "Worth considering",
        },
        on_line="worth_a_look",
        details={"x_text": "median latency", "y_text": "top-1", "quality_text": "explanation"},
    ),
    "latency_distribution": Words(
        things="deployments",
        name="label",
        ranges={"median_ms": "median latency (ms)", "ms": "single runs (ms)"},
        columns={"label": "Deployment", "median_ms": "Median, ms", "verdict": "Validity"},
    ),
    "thread_scaling": Words(
        things="measurements",
        name="called",
        ranges={"p50_ms": "median latency (ms)", "num_threads": "threads"},
        columns={"model": "Model", "format": "Format", "num_threads": "Threads", "p50_text": "Median latency"},
    ),
    "latency_over_time": Words(
        things="windows of time",
        name="label",
        ranges={"ms": "median latency (ms)", "seconds": "time (s)"},
        columns={"label": "Deployment", "seconds": "Time, s", "ms": "Median, ms"},
    ),
    "noise_sweep": Words(
        things="means",
        name="model",
        ranges={"mean": "mean score", "noise_percent": "noise level (%)"},
        columns={"model": "Model", "noise_percent": "Noise, %", **SCORES},
    ),
    "layer_sweep": Words(
        things="means",
        name="layer",
        ranges={"mean": "mean score"},
        columns={"model": "Model", "layer": "Layer", **SCORES},
    ),
    "deployment_gap": Words(
        things="differences",
        name="deployment",
        ranges={"gap": "deployed judge − float judge"},
        columns={
            "deployment": "Deployment",
            "float_mean": "Float judge",
            "mean": "Deployed judge",
            "gap": "Difference",
            "gap_low": "From",
            "gap_high": "To",
            "images": "Images",
            "images_needed_text": "Images for 80 %",
        },
    ),
    "judge_curves": Words(
        things="points",
        name="judge",
        ranges={"mean": "mean probability of the class"},
        columns={"judge": "Judge", "changed_percent": "Pixels changed, %", "mean": "Mean probability"},
    ),
    "published": Words(
        things="latencies",
        name="label",
        ranges={"ms": "latency (ms)"},
        columns={"label": "What", "ms": "Latency, ms", "origin": "Measured by", "source": "Source"},
    ),
}


def page_words() -> dict[str, dict[str, Any]]:
    return {name: asdict(words) for name, words in WORDS.items()}
