"""What is known of each device, as a table of one row for each property."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from harness.store import StoreReader
from reports.data.view import RunView, device_kind, device_name
from reports.tables.columns import DEVICES, frame

COUNTERS = {"monotonic_ns", "unix_time", "uptime_s", "own_cpu_seconds", "cpu_seconds", "pid"}


def devices(store: StoreReader) -> pd.DataFrame:
    """What is known of each device, and the conditions of its measurements: one row per property."""
    facts: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for unit in RunView(store).of_kind("latency"):
        if unit.status != "done":
            continue
        known = facts.setdefault((device_name(unit.spec), device_kind(unit.spec)), {})
        conditions = {when: unit.result["circumstances"][when] for when in ("before", "after")}
        around = {name: unit.result["circumstances"].get(name) for name in ("clock_ahead_s", "settled_s")}
        told = {name: value for name, value in around.items() if value is not None}
        for name, value in _flat({"machine": unit.result["machine"], **conditions, **told}):
            known.setdefault(name, []).append(value)
    rows = [
        {"device": device, "device_kind": kind, "property": name, "value": _summary(values)}
        for (device, kind), known in facts.items()
        for name, values in sorted(known.items())
    ]
    return frame(rows, DEVICES)


def _summary(values: Sequence[Any]) -> str:
    """Numbers as their range, anything else as its distinct values."""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        low, high = min(values), max(values)
        return json.dumps(low) if low == high else f"{json.dumps(low)} to {json.dumps(high)}"
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return " | ".join(dict.fromkeys(texts))


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """The leaves of nested facts by their dotted names; counters, which mean little by themselves, are left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in COUNTERS:
                yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    elif value is not None:
        yield prefix, value
