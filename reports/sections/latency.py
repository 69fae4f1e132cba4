"""Latency: how it spreads, what heat does to it, and under what conditions it was measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.store.units import StoredUnit
from reports.data.rounds import board_of
from reports.data.view import INVALID, RunView, is_sustained
from reports.sections.distributions import LATENCY_MARGIN, QUANTILES, milliseconds, row_label
from reports.sections.records import Records
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Charts, Facts
from reports.tables.comparison import row_id
from reports.tables.device_facts import COUNTERS

WINDOWS = 60


def charts(run: RunData) -> Charts:
    return {
        "latency_distribution": Chart(records=run.distributions, split_by=("device",)),
        "latency_over_time": Chart(records=over_time(run.view), split_by=("device",)),
    }


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    if not run.view.of_kind("latency"):
        return None
    sustained = burst_and_sustained(run.view)
    return {
        "devices": run.devices,
        "scaling": _scaling(run.rows),
        "sustained": sustained,
        "rankings": rankings(sustained),
        "quantiles": QUANTILES,
        "conditions": measurement_conditions(run.view),
    }


def _scaling(rows: Records) -> list[str]:
    """The devices on which several numbers of threads were timed."""
    counts: dict[str, set[int]] = {}
    for row in rows:
        if row["p50_ms"] is not None:
            counts.setdefault(row["device"], set()).add(row["num_threads"])
    return [device for device, threads in counts.items() if len(threads) > 1]


def over_time(view: RunView) -> Records:
    """Median latency in windows of a long measurement, by seconds since its start: does a warm board keep its speed?

    Time is that of the agent's samples of the sensors, about one a second: they say which run came next and when.
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
            "burst_ns": ends["burst_ns"],
            "sustained_ns": ends["sustained_ns"],
            "slowdown": ends["sustained_ns"] / ends["burst_ns"],
            "seconds": ends["seconds"],
            "verdict": unit.result["verdict"],
            "reason": unit.result["verdict_reason"],
        }
        for unit in _long(view)
        for ends in [unit.result["sustained"]]
    ]


def rankings(sustained: Records) -> dict[str, bool]:
    """Per device with several long measurements, whether heat makes the clearly faster of two the clearly slower."""
    worthy: dict[str, Records] = {}
    for record in sustained:
        if record["verdict"] != INVALID:
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
    return {**row._asdict(), "label": row_label(row), "family": view.models[row.model]["family"]}


def _windows(sensors: list[dict[str, Any]], latencies: list[int]) -> Iterator[dict[str, Any]]:
    """The medians between samples of the sensors, WINDOWS of them at most."""
    kept = sensors[:: max(1, len(sensors) // WINDOWS)]
    for start, end in zip(kept, kept[1:]):
        runs = latencies[start["run"] : end["run"]]
        if runs:
            seconds = (end["monotonic_ns"] - sensors[0]["monotonic_ns"]) / 1e9
            yield {"seconds": round(seconds, 1), "ms": milliseconds(np.median(runs))}


def measurement_conditions(view: RunView) -> Records:
    """One line per latency unit: what the device was like before and after, and what that made of the measurement."""
    return [
        {
            "label": row_label(row_id(unit)),
            "device": row_id(unit).device,
            "board": board_of(unit.result.get("machine", {}), boot=True) if unit.status == "done" else "",
            "round": unit.spec.get("round"),
            "verdict": unit.result.get("verdict") or unit.status,
            "reason": unit.result.get("verdict_reason") or view.reason(unit),
            "before": _facts(unit, "before"),
            "after": _facts(unit, "after"),
        }
        for unit in view.of_kind("latency")
    ]


def _facts(unit: StoredUnit, when: str) -> dict[str, Any]:
    """What a person reads of the conditions; the counters say little by themselves."""
    facts = unit.result["circumstances"][when] if unit.status == "done" else {}
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
