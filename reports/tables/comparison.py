"""The tables of a run as pandas DataFrames: one row per deployment, per latency sample, per device fact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import pandas as pd

from harness.store import Prediction, StoredUnit, StoreReader
from reports.data.batches import AWAY, STATUSES
from reports.data.rounds import together
from reports.data.stats import Interval, median_interval, percentile, percentile_interval, wilson
from reports.data.view import INVALID, KERAS, RunView, device_kind, device_name, is_sustained
from reports.tables.columns import COMPARISON, LATENCY_SAMPLES, frame
from reports.tables.delegation import delegation_facts
from reports.tables.references import fidelity_facts, in_groups
from reports.tables.scores import attach_quality, quality_summary


class RowId(NamedTuple):
    """What makes a row of the comparison. `runtime` is empty where no runtime was involved."""

    model: str
    format: str
    device: str = ""
    runtime: str = ""
    num_threads: int | None = None
    mode: str = ""


def comparison(store: StoreReader) -> pd.DataFrame:
    """One row per model × format × device × runtime × threads, and one reference row per model (format `keras`).

    The fixed columns are those of reports.tables.columns.COMPARISON; then, per saliency method and metric judged by the
    float model, three columns `metric[method]_mean`, `_low` and `_high`. Failed and planned work is a row with its
    reason.
    """
    view = RunView(store)
    rows = [_comparison_row(view, row, units) for row, units in _grouped(view).items()]
    return attach_quality(frame(rows, COMPARISON), quality_summary(view))


def latency_samples(store: StoreReader) -> pd.DataFrame:
    """Every raw sample, warm-ups included, as the device sent it."""
    view, rows = RunView(store), []
    timed = [unit for unit in view.of_kind("latency") if unit.status == "done"]
    position = _positions(view)
    for unit in sorted(timed, key=lambda unit: (*position(row_id(unit)), unit.spec.get("round") or 0)):
        if unit.result["emulated"]:
            continue  # the time under an emulator is not a latency
        common = {
            **row_id(unit)._asdict(),
            **_runtime_facts([unit]),
            "delegate": unit.result["delegate"],
            "delegated": delegation_facts(unit.result)["delegated"],
            "round": unit.spec.get("round"),
            "verdict": unit.result["verdict"],
        }
        for phase, name in (("warmup", "warmup_ns"), ("timed", "samples_ns")):
            rows += [{**common, "phase": phase, "index": i, "latency_ns": ns} for i, ns in enumerate(unit.result[name])]
    return frame(rows, LATENCY_SAMPLES)


# ------------------------------------------------------------------------------------------------ rows and units
def _grouped(view: RunView) -> dict[RowId, list[StoredUnit]]:
    """The units of every row; accuracy belongs to the rows of all thread counts."""
    accuracy = {identity(unit): unit for unit in view.of_kind("accuracy")}
    rows: dict[RowId, list[StoredUnit]] = {row: [unit] for row, unit in accuracy.items() if row.format == KERAS}
    timed: dict[RowId, list[StoredUnit]] = {}
    for unit in view.of_kind("latency"):
        row = row_id(unit)
        timed.setdefault(row._replace(mode="burst") if is_sustained(unit) else row, []).append(unit)
    untimed = {row for row in accuracy if row.format != KERAS} - {_without_threads(row) for row in timed}
    known = {(row.model, row.format) for row in [*timed, *untimed]}
    for unit in view.of_kind("conversion"):
        row = RowId(unit.spec["model"]["name"], unit.spec["format"])
        if (row.model, row.format) not in known:
            timed[row] = [unit]
    for row in [*timed, *(row for row in accuracy if row in untimed)]:
        tested = accuracy.get(_without_threads(row))
        rows[row] = timed.get(row, []) + ([tested] if tested else [])
    position = _positions(view)
    return dict(sorted(rows.items(), key=lambda item: position(item[0])))


def _positions(view: RunView) -> Callable[[RowId], tuple[Any, ...]]:
    """Where a row stands, whatever the order of measurement: models, formats and devices as they were planned."""
    models, formats = list(in_groups(view)), [KERAS]
    formats += dict.fromkeys(unit.spec["format"] for unit in view.of_kind("conversion"))
    devices = list(dict.fromkeys(identity(unit).device for unit in view.of_kind("accuracy")))

    def position(row: RowId) -> tuple[Any, ...]:
        known = ((models, row.model), (formats, row.format), (devices, row.device))
        places = (names.index(name) if name in names else len(names) for names, name in known)
        return (*places, row.device, row.runtime, row.num_threads or 0, row.mode)

    return position


def identity(unit: StoredUnit) -> RowId:
    """What a conversion, accuracy or latency unit is about, as far as its kind knows it."""
    if unit.kind == "latency":
        return row_id(unit)
    if unit.kind == "conversion" or unit.spec["format"] == KERAS:
        return RowId(unit.spec["model"]["name"], unit.spec["format"])
    return RowId(unit.spec["model"]["name"], unit.spec["format"], device_name(unit.spec), unit.spec["runtime"])


def row_id(unit: StoredUnit) -> RowId:
    """The row of the comparison to which a latency unit belongs."""
    spec = unit.spec
    mode = "sustained" if is_sustained(unit) else "burst"
    return RowId(spec["model"]["name"], spec["format"], device_name(spec), spec["runtime"], spec["num_threads"], mode)


def _without_threads(row: RowId) -> RowId:
    return row._replace(num_threads=None, mode="")


def _comparison_row(view: RunView, row: RowId, units: list[StoredUnit]) -> dict[str, Any]:
    model = view.models[row.model]
    conversion = _conversion(view, units)
    tested = next((u for u in units if u.kind == "accuracy"), None)
    timed = [u for u in units if u.kind == "latency" and u.status == "done"]
    return {
        **row._asdict(),
        **{name: model[name] for name in ("family", "twin", "weights")},
        "device_kind": next(filter(None, (device_kind(u.spec) for u in units)), ""),
        **_runtime_facts(units),
        **_status(view, [*units, *([conversion] if conversion else [])]),
        **_artifact_facts(conversion),
        **fidelity_facts(view, conversion),
        **_accuracy_facts(view, tested, latency_only=_is_latency_only(model, conversion)),
        **_latency_facts([u for u in timed if not is_sustained(u)]),
        **_sustained_facts([u for u in timed if is_sustained(u)]),
    }


def _conversion(view: RunView, units: Iterable[StoredUnit]) -> StoredUnit | None:
    """What made the row's artifact; None for the reference, which has none."""
    for unit in units:
        if unit.kind == "conversion":
            return unit
        if "conversion" in unit.needs:
            return view.needed(unit, "conversion")
    return None


def _status(view: RunView, units: Sequence[StoredUnit]) -> dict[str, Any]:
    """The worst status of the row's units, and every distinct reason."""
    unfinished = [unit for unit in units if unit.status != "done"]
    to_explain = [unit for unit in unfinished if unit.reason] or unfinished  # what failed, not what waits for it
    reasons = dict.fromkeys(
        view.reason(unit) if unit.status == AWAY else f"{_stage(unit)}: {view.reason(unit)}" for unit in to_explain
    )
    blocked = any("failed:" in view.reason(u) for u in units if u.status == "planned")
    worst = max((u.status for u in units), key=STATUSES.index)
    return {"status": "failed" if blocked else worst, "reason": "; ".join(reasons)}


def _stage(unit: StoredUnit) -> str:
    if unit.kind != "latency":
        return unit.kind
    return "sustained latency" if is_sustained(unit) else f"latency round {unit.spec['round']}"


def _runtime_facts(units: Iterable[StoredUnit]) -> dict[str, Any]:
    """The runtime that really ran, where the plan said `auto`."""
    for unit in units:
        if "runtime_version" in unit.result:
            return {name: unit.result.get(name) for name in ("runtime", "runtime_version", "runtime_base")}
    return {}


def _artifact_facts(conversion: StoredUnit | None) -> dict[str, Any]:
    result = conversion.result if conversion else {}
    columns = {"flatbuffer_bytes": "flatbuffer_bytes", "artifact_sha256": "blob", "mark": "mark", "note": "note"}
    return {column: result.get(name) for column, name in columns.items()}


def _is_latency_only(model: dict[str, Any], conversion: StoredUnit | None) -> bool:
    """Random weights classify nothing, and an artifact with a restriction is not to be used for its answers."""
    return model["weights"] == "random" or bool(conversion and conversion.result.get("mark"))


def _accuracy_facts(view: RunView, unit: StoredUnit | None, *, latency_only: bool) -> dict[str, Any]:
    if unit is None or unit.status != "done" or latency_only:
        return {}
    predictions = view.store.predictions(unit.key)
    facts: dict[str, Any] = {"accuracy_images": len(predictions), "exact_match": unit.result.get("exact_match")}
    for name, depth in depths(unit.spec["model"]):
        facts |= _named(name, wilson(_hits(predictions, depth), len(predictions)))
    return facts


def depths(model: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The accuracies that mean something: of five classes and fewer, the five highest are all there are."""
    return [("top1", 1), *([("top5", 5)] if model["classes"] > 5 else [])]


def _hits(predictions: Iterable[Prediction], depth: int) -> int:
    return sum(p.label in p.ranked[:depth] for p in predictions)


def _latency_facts(rounds: Sequence[StoredUnit]) -> dict[str, Any]:
    """Percentiles of the pooled rounds, the median of what happens once per round, and the worst validity."""
    if not rounds:
        return {}
    results = [unit.result for unit in rounds]
    emulated = any(r["emulated"] for r in results)
    validity, reason = together(results)
    facts = {
        "latency_rounds": len(results),
        "latency_samples": sum(len(r["samples_ns"]) for r in results),
        "warmup_runs": sum(len(r["warmup_ns"]) for r in results),
        "peak_rss_bytes": max(filter(None, (r["peak_rss_bytes"] for r in results)), default=None),
        "verdict": validity,
        "verdict_reason": reason,
        "emulated": emulated,
        "instructions": _middle(results, "instructions"),
        "energy_nj": _energy_nj(results),
        "delegate": results[0]["delegate"],
        "kernels": results[0]["kernels"],
        **delegation_facts(results[0]),
    }
    return facts | ({} if emulated or validity == INVALID else _times(results))


def _sustained_facts(long: Sequence[StoredUnit]) -> dict[str, Any]:
    """What the long measurement says, if there is one that is worth something."""
    for unit in long:
        speeds = unit.result["sustained"]
        if speeds and unit.result["verdict"] != INVALID:
            names = {"burst_ns": "burst_ns", "sustained_ns": "sustained_ns", "sustained_seconds": "seconds"}
            return {column: round(speeds[name]) for column, name in names.items()}
    return {}


def _times(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rounds = [result["samples_ns"] for result in results]
    samples = [ns for each in rounds for ns in each]
    facts: dict[str, Any] = {name: _middle(results, name) for name in ("load_ns", "first_run_ns")}
    for q in (50, 90, 99):
        low, high = median_interval(rounds) if q == 50 else percentile_interval(samples, q)
        names = (f"latency_p{q}_ns", f"latency_p{q}_low_ns", f"latency_p{q}_high_ns")
        facts |= dict(zip(names, (percentile(samples, q), low, high)))
    return facts


def _energy_nj(results: Sequence[dict[str, Any]]) -> int | None:
    """The median of the rounds' estimates."""
    joules = [result["energy"]["joules_per_inference"] for result in results if result.get("energy")]  # not emulated
    return round(1e9 * median(joules)) if joules else None


def _middle(results: Iterable[dict[str, Any]], name: str) -> int | None:
    values = [result[name] for result in results if result[name] is not None]
    return round(median(values)) if values else None


def _named(name: str, interval: Interval | None) -> dict[str, Any]:
    if interval is None:
        return {}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
