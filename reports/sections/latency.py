"""What the charts and tables of latency show, as plain records: distributions, operators, circumstances."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from harness.store import StoredUnit
from reports.data.view import RunView, is_sustained
from reports.sections.recommendation import LATENCY_MARGIN
from reports.tables.comparison import COUNTERS, RowId, row_id, worst_verdict

QUANTILES = 40  # marks of one distribution: its shape, at a fraction of its size
LARGEST_OPERATORS = 12
WINDOWS = 60

Records = list[dict[str, Any]]


def distributions(view: RunView) -> Records:
    """Evenly spaced quantiles of every row's samples, rounds pooled. Void ones say so; emulated ones are no latency."""
    rows: dict[RowId, list[StoredUnit]] = {}
    for unit in view.of_kind("latency"):
        if unit.result.get("samples_ns") and not unit.result.get("emulated") and not is_sustained(unit):
            rows.setdefault(row_id(unit), []).append(unit)
    return [record for row, rounds in rows.items() for record in _distribution(view, row, rounds)]


def _distribution(view: RunView, row: RowId, rounds: list[StoredUnit]) -> Records:
    samples = [ns for unit in rounds for ns in unit.result["samples_ns"]]
    verdict = worst_verdict(unit.result for unit in rounds)
    common = {
        **row._asdict(),
        "runtime": rounds[0].result.get("runtime") or row.runtime,
        "family": view.models[row.model].get("family", ""),
        "label": row_label(row) + (", void" if verdict == "void" else ""),
        "verdict": verdict,
        "median_ms": _milliseconds(np.median(samples)),
    }
    quantiles = np.quantile(samples, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    return [{**common, "ms": _milliseconds(quantile)} for quantile in quantiles]


def void_medians(distributions: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], float]:
    """The medians of void measurements by row: to show what was measured, marked as worth nothing."""
    return {row_key(record): record["median_ms"] for record in distributions if record["verdict"] == "void"}


def row_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] or None for name in RowId._fields)


def operators(view: RunView) -> Records:
    """Time per kind of operator and artifact, where a runtime reported it; the largest ones, the rest summed up."""
    rows = {row_id(unit): unit for unit in view.of_kind("latency") if unit.result.get("operators")}
    return [
        {"label": row_label(row), "device": row.device, "operator": name, "ms": ms}
        for row, unit in rows.items()
        for name, ms in _largest(unit.result["operators"])
    ]


def _largest(breakdown: list[dict[str, Any]]) -> list[tuple[str, float]]:
    total: dict[str, float] = {}
    for entry in breakdown:
        total[entry["name"]] = total.get(entry["name"], 0.0) + entry["ns"] / 1e6
    ranked = sorted(total.items(), key=lambda item: -item[1])
    rest = sum(ms for _, ms in ranked[LARGEST_OPERATORS:])
    return ranked[:LARGEST_OPERATORS] + ([("others", rest)] if rest else [])


def over_time(view: RunView) -> Records:
    """Median latency in windows of a long measurement, by seconds since its start: does a warm board keep its speed?

    Time is that of the agent's glances, about one a second: they say which run came next and when.
    """
    return [
        {**_names(view, unit), **window}
        for unit in _long(view)
        for window in _windows(unit.result["circumstances"]["during"], unit.result["samples_ns"])
    ]


def burst_and_sustained(view: RunView) -> Records:
    """Per long measurement, the speed of its beginning and of its end, their ratio, and what it is worth."""
    return [
        {
            **_names(view, unit),
            "burst_ns": found["burst_ns"],
            "sustained_ns": found["sustained_ns"],
            "slowdown": found["sustained_ns"] / found["burst_ns"],
            "seconds": found["seconds"],
            "verdict": unit.result["verdict"],
            "reason": unit.result["verdict_reason"],
        }
        for unit in _long(view)
        for found in [unit.result["sustained"]]
    ]


def rankings(sustained: Records) -> dict[str, bool]:
    """Per device with several long measurements, whether heat makes the clearly faster of two the clearly slower."""
    worthy: dict[str, Records] = {}
    for record in sustained:
        if record["verdict"] != "void":
            worthy.setdefault(record["device"], []).append(record)
    return {
        device: any(
            _clearly_faster(one, other, "burst_ns") and _clearly_faster(other, one, "sustained_ns")
            for one, other in itertools.permutations(records, 2)
        )
        for device, records in worthy.items()
        if len(records) > 1
    }


def _clearly_faster(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    return bool(one[name] * (1 + LATENCY_MARGIN) < other[name])


def _long(view: RunView) -> list[StoredUnit]:
    return [unit for unit in view.of_kind("latency") if is_sustained(unit) and unit.result.get("sustained")]


def _names(view: RunView, unit: StoredUnit) -> dict[str, Any]:
    row = row_id(unit)._replace(mode="")
    return {**row._asdict(), "label": row_label(row), "family": view.models[row.model].get("family", "")}


def _windows(glances: list[dict[str, Any]], samples: list[int]) -> Iterator[dict[str, Any]]:
    """The medians between glances, WINDOWS of them at most."""
    kept = glances[:: max(1, len(glances) // WINDOWS)]
    for start, end in zip(kept, kept[1:]):
        runs = samples[start["run"] : end["run"]]
        if runs:
            seconds = (end["monotonic_ns"] - glances[0]["monotonic_ns"]) / 1e9
            yield {"seconds": round(seconds, 1), "ms": _milliseconds(np.median(runs))}


def circumstances(view: RunView) -> Records:
    """One line per latency unit: what the device was like before and after, and what that made of the measurement."""
    return [
        {
            "label": row_label(row_id(unit)),
            "device": row_id(unit).device,
            "round": unit.spec.get("round"),
            "verdict": unit.result.get("verdict") or unit.status,
            "reason": unit.result.get("verdict_reason") or view.reason(unit),
            "before": _facts(unit, "before"),
            "after": _facts(unit, "after"),
        }
        for unit in view.of_kind("latency")
    ]


def _facts(unit: StoredUnit, when: str) -> dict[str, Any]:
    """What a person reads of the circumstances; the counters are in devices.csv."""
    facts = (unit.result.get("circumstances") or {}).get(when) or {}
    return {
        name.replace("_", " "): _short(value)
        for name, value in facts.items()
        if name not in COUNTERS and _is_worth_reading(value)
    }


def _is_worth_reading(value: Any) -> bool:
    if isinstance(value, dict):
        return any(isinstance(inner, (int, float, str)) for inner in value.values())
    return value not in (None, "", [])


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items() if inner is not None)
    if isinstance(value, list):
        return ", ".join(dict.fromkeys(_short(inner) for inner in value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def row_label(row: RowId) -> str:
    threads = f", {row.num_threads} thread{'' if row.num_threads == 1 else 's'}" if row.num_threads else ""
    mode = f", {row.mode}" if row.mode not in ("", "burst") else ""
    return f"{row.model} {row.format}{threads}{mode}"


def _milliseconds(ns: Any) -> float:
    return round(float(ns) / 1e6, 5)
