"""Every column of every CSV: its name, type, unit and meaning. docs/csv.md is generated from these tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

HISTORY = {
    1: "2026-11-23: first version",
    2: "2026-11-26: `verdict` says `invalid` where it said `void`, also for runs that were measured before",
    3: "2026-11-27: `exact_match`, and `top5` is empty where a model has five classes or fewer",
    4: "2026-11-27: which operators delegates ran, and runtimes with options of their own",
    5: "2026-11-27: the interval of `latency_p50_ns` covers the spread between rounds as well",
    6: "2026-11-27: `runtime` in latency_samples.csv is what ran, where it said `auto`; its delegates; rows in order",
}
SCHEMA = max(HISTORY)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `dtype` is the pandas dtype; an unknown value is an empty field, never 0."""

    name: str
    dtype: str
    meaning: str


TEXT, WHOLE, REAL, TRUTH = "string", "Int64", "Float64", "boolean"

COMPARISON = (
    Column("schema", WHOLE, "version of this table"),
    Column("model", TEXT, "name of the model"),
    Column("family", TEXT, "full-precision or binarized"),
    Column("twin", TEXT, "the model of the same architecture in the other family"),
    Column("weights", TEXT, "trained, imagenet or random; a random model has a latency, never an accuracy"),
    Column("format", TEXT, "one of `bitlens list formats`; `keras` is the float model, the reference"),
    Column("device", TEXT, "where the artifact ran; the reference runs on the host"),
    Column("device_kind", TEXT, "local, ssh, emulated or vm"),
    Column("runtime", TEXT, "what executed the artifact"),
    Column("runtime_version", TEXT, "its version"),
    Column("runtime_base", TEXT, "the runtime beneath one that the experiment names and gives options"),
    Column("num_threads", WHOLE, "threads of the runtime while latency was measured"),
    Column(
        "mode",
        TEXT,
        "kind of latency measurement: burst, several short rounds; what a long one says is in `sustained_ns`",
    ),
    Column("status", TEXT, "done, planned, away (a board did not answer) or failed: the worst of the row's units"),
    Column("reason", TEXT, "why the row is not done"),
    Column("mark", TEXT, "restriction: what the artifact must not be used for, e.g. latency only"),
    Column(
        "note",
        TEXT,
        "of the artifact: binarized layers that compute in floats and why; pixel values that rounding decides on",
    ),
    Column("top1", REAL, "fraction of images whose label is the highest class, 0 to 1"),
    Column("top1_low", REAL, "lower end of its Wilson 95 % interval"),
    Column("top1_high", REAL, "upper end"),
    Column("top5", REAL, "fraction of images whose label is among the five highest classes; empty with five or fewer"),
    Column("top5_low", REAL, "lower end of its Wilson 95 % interval"),
    Column("top5_high", REAL, "upper end"),
    Column("exact_match", REAL, "fraction of images whose label alone is above 0.5, where classes are independent"),
    Column("accuracy_images", WHOLE, "images behind top1 and top5"),
    *(
        Column(f"latency_p{q}{part}_ns", WHOLE, meaning)
        for q, n, source in (
            (50, 5, "the wider of that from order statistics and that between rounds"),
            (90, 29, "from order statistics"),
            (99, 299, "from order statistics"),
        )
        for part, meaning in (
            ("", f"nearest-rank {q}th percentile of latency in ns; empty below {n} samples, when invalid or emulated"),
            ("_low", f"lower end of its 95 % interval, {source}; empty if the sample has none"),
            ("_high", "upper end"),
        )
    ),
    Column("latency_samples", WHOLE, "timed runs of all rounds, warm-ups not counted"),
    Column("latency_rounds", WHOLE, "fresh processes the samples come from, interleaved with other rows"),
    Column("warmup_runs", WHOLE, "untimed runs before them"),
    Column("load_ns", WHOLE, "time to load the artifact, in ns: the median of the rounds"),
    Column("first_run_ns", WHOLE, "time of the first run of a process, in ns: the median of the rounds"),
    Column("burst_ns", WHOLE, "median of the first ten seconds of a long measurement; empty without one"),
    Column("sustained_ns", WHOLE, "median of its last fifth: what the board keeps up"),
    Column("sustained_seconds", WHOLE, "how long it was"),
    Column("peak_rss_bytes", WHOLE, "highest resident memory of the process: the largest of the rounds"),
    Column("flatbuffer_bytes", WHOLE, "size of the artifact"),
    Column(
        "verdict",
        TEXT,
        "validity of the latency: valid, suspect or invalid; the worst of the rounds, and their spread",
    ),
    Column("verdict_reason", TEXT, "why it is not valid, or what to know of a valid one"),
    Column("emulated", TRUTH, "true when the device was emulated; such a row has no latency"),
    Column("instructions", WHOLE, "executed instructions per run, where the device counts them"),
    Column(
        "energy_nj",
        WHOLE,
        "estimated energy per run in nJ, idle power subtracted; empty without a sensor, or where nobody asked",
    ),
    Column("delegate", TEXT, "delegates that took operators"),
    Column("delegated", TEXT, "how many each took, such as `XNNPACK 29`; `some` where a runtime does not say how many"),
    Column("operators", WHOLE, "operators of the artifact's main graph"),
    Column("operators_delegated", WHOLE, "how many of them delegates ran; the rest ran in the runtime's own kernels"),
    Column("macs_delegated", REAL, "their share of the multiply-accumulates, 0 to 1; empty where that is not known"),
    Column("runtime_note", TEXT, "what to know of the latency, such as int8 without XNNPACK or a delegate left idle"),
    Column("kernels", TEXT, "optimized or reference kernels"),
    Column("artifact_sha256", TEXT, "the artifact"),
    Column(
        "reference",
        TEXT,
        "what a flatbuffer of your own is compared with: a model, or its Keras file, which has its own name; empty for "
        "artifacts that were converted here, which are compared with their Keras model, and without a reference",
    ),
    Column(
        "top1_agreement", REAL, "fraction of images with the same highest class as the Keras model or the reference"
    ),
    Column("max_abs_score_difference", REAL, "largest difference of a class score from theirs"),
    Column("mean_abs_score_difference", REAL, "mean difference"),
    Column("rank_correlation", REAL, "rank correlation of the class scores with theirs"),
    Column("fidelity", TEXT, "ok or suspect: whether the artifact still is the model"),
    Column("fidelity_reason", TEXT, "why it is suspect, or that there is no reference"),
)

QUALITY = (
    Column("schema", WHOLE, "version of this table"),
    Column("model", TEXT, "name of the model"),
    Column("family", TEXT, "full-precision or binarized"),
    Column("method", TEXT, "saliency method"),
    Column("parameters", TEXT, "its parameters as JSON"),
    Column("seed", WHOLE, "seed of its noise"),
    Column("pseudo_gradient", TRUTH, "true when the gradient went through a binarized layer"),
    Column("metric", TEXT, "what judges the map"),
    Column("metric_parameters", TEXT, "its parameters as JSON"),
    Column("better", TEXT, "higher or lower"),
    Column("unit", TEXT, "unit of the value"),
    Column(
        "judge",
        TEXT,
        "`float` (the Keras model, or a flatbuffer alone) or the format of the artifact whose outputs were used",
    ),
    Column("judge_device", TEXT, "the device it ran on"),
    Column("image", TEXT, "key of the image"),
    Column("value", REAL, "the score; empty where there is none"),
    Column("reason", TEXT, "why there is none"),
)

LATENCY_SAMPLES = (
    Column("schema", WHOLE, "version of this table"),
    Column("model", TEXT, "name of the model"),
    Column("format", TEXT, "as in comparison.csv"),
    Column("device", TEXT, "where it ran"),
    Column("runtime", TEXT, "what executed it"),
    Column("runtime_version", TEXT, "its version"),
    Column("runtime_base", TEXT, "as in comparison.csv"),
    Column("delegate", TEXT, "delegates that took operators"),
    Column("delegated", TEXT, "how many each took, as in comparison.csv"),
    Column("num_threads", WHOLE, "threads"),
    Column("mode", TEXT, "as in comparison.csv, and sustained for the runs of a long measurement"),
    Column("round", WHOLE, "the fresh process, counted from 0; empty for a long measurement"),
    Column("phase", TEXT, "warmup or timed"),
    Column("index", WHOLE, "position in its phase, from 0"),
    Column("latency_ns", WHOLE, "duration of one run in ns"),
    Column("verdict", TEXT, "validity of its round"),
)

DEVICES = (
    Column("schema", WHOLE, "version of this table"),
    Column("device", TEXT, "name"),
    Column("device_kind", TEXT, "local, ssh, emulated or vm"),
    Column("property", TEXT, "a fact of the machine, or a measurement condition before.* or after.* a measurement"),
    Column("value", TEXT, "its value; different numbers as `low to high`, different texts joined by a bar"),
)

TABLES = {"comparison": COMPARISON, "quality": QUALITY, "latency_samples": LATENCY_SAMPLES, "devices": DEVICES}


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """A typed table with exactly these columns; what a row does not say is missing, and so is empty text."""
    return pd.DataFrame({column.name: _series(rows, column) for column in columns})


def _series(rows: Sequence[Mapping[str, Any]], column: Column) -> pd.Series[Any]:
    values = [SCHEMA if column.name == "schema" else _known(row.get(column.name)) for row in rows]
    dtype: Any = column.dtype  # pandas-stubs want a literal
    series: pd.Series[Any] = pd.Series(values, dtype=dtype)
    return series


def _known(value: Any) -> Any:
    return None if value == "" else value
