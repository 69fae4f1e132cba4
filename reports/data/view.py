"""A run as reports see it: the planned units of a store, by kind, joined by what they need.

It reads and joins, and puts what earlier versions stored into today's words; it derives no statistic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.store.store_reader import StoreReader
from harness.store.units import Score, StoredUnit
from reports.data.batches import AWAY, joined

KERAS = "keras"  # the format of the reference rows: the float model itself, never converted
VALIDITY = ("valid", "suspect", "invalid")  # of a latency, best to worst
SUSPECT, INVALID = VALIDITY[1:]
FLOAT = "float"  # the judge that is the Keras model


class RunView:
    """The units of the latest plan. Cheap to make; what a report needs is read when it is asked for.

    units     as the run did them: explanations in batches of images.
    of_kind   what a report speaks of: the batches of one explanation are one unit.
    """

    def __init__(self, store: StoreReader) -> None:
        self.store = store
        self.damage = store.damage  # first: damaged units are read as failed ones
        self.units = list(_marked_away(store))
        self._whole, self._parts = joined(self.units)
        self._by_key = {part.key: whole for whole in self._whole for part in self._parts[whole.key]}

    def of_kind(self, kind: str) -> list[StoredUnit]:
        return [unit for unit in self._whole if unit.kind == kind]

    def parts(self, unit: StoredUnit) -> list[StoredUnit]:
        """The batches of a unit, in order; the unit itself where there is but one."""
        return self._parts.get(unit.key, [unit])

    def scores(self, unit: StoredUnit) -> list[Score]:
        """A metric's values for all images of a unit; none if a part of them is damaged: a mean would be another."""
        if self.is_damaged(unit):
            return []
        return [score for part in self.parts(unit) for score in self.store.scores(part.key)]

    def is_damaged(self, unit: StoredUnit) -> bool:
        return any(part.key in self.damage.units for part in self.parts(unit))

    def find(self, key: str | None) -> StoredUnit | None:
        """A unit by its key: planned, or finished under an earlier plan; None when the store never saw it."""
        if key is None:
            return None
        if key not in self._by_key:
            try:
                self._by_key[key] = self.store.unit(key)
            except KeyError:
                return None
        return self._by_key[key]

    def needed(self, unit: StoredUnit, role: str) -> StoredUnit:
        """The unit in this role of another's needs. It is there: a plan holds all that its units build on."""
        needed = self.find(unit.needs[role])
        assert needed is not None, f"{unit.kind} needs {role} that the store never saw"
        return needed

    def counts(self) -> dict[str, int]:
        """How many units are done, failed, planned, and not begun because their board was away."""
        statuses = [unit.status for unit in self.units]
        return {status: statuses.count(status) for status in ("done", "failed", "planned", AWAY)}

    @cached_property
    def models(self) -> dict[str, dict[str, Any]]:
        """The model records by name, in the order of the plan; not those that only serve to compare with."""
        records = (unit.spec["model"] for unit in self.units if "model" in unit.spec)
        return {record["name"]: record for record in records if not record.get("shuffled")}

    @cached_property
    def seeds(self) -> dict[str, str]:
        """The models that are said to be another training run of a model, and of which one."""
        seeds: dict[str, str] = json.loads(self.store.meta("seeds") or "{}")
        return seeds

    @cached_property
    def method_labels(self) -> dict[str, str]:
        """A short name of every saliency spec: the method, and the parameters that this run varies."""
        units = self.of_kind("saliency")
        return short_labels({u.key: (method_name(u.spec), u.spec["parameters"]) for u in units})

    @cached_property
    def metric_labels(self) -> dict[str, str]:
        """A short name of every quality unit's metric, with the parameters that this run varies."""
        units = self.of_kind("quality")
        return short_labels({u.key: (u.spec["metric"], u.spec["parameters"]) for u in units})

    @cached_property
    def _judged_by_float(self) -> dict[str, list[StoredUnit]]:
        units: dict[str, list[StoredUnit]] = {}
        for unit in self.of_kind("quality"):
            if is_judged_by_float(unit):
                units.setdefault(unit.needs["saliency"], []).append(unit)
        return units

    def judging(self, saliency_key: str) -> list[StoredUnit]:
        """The quality units in which the float model judged these maps."""
        return self._judged_by_float.get(saliency_key, [])

    def reason(self, unit: StoredUnit) -> str:
        """Why a unit is not done: its own reason, or that of the unit it builds on."""
        if unit.reason:
            return unit.reason
        for key in unit.needs.values():
            parent = self.find(key)
            if parent is not None and parent.status == "failed":
                return f"{parent.kind} failed: {parent.reason}"
        return "not done yet" if unit.status == "planned" else ""

    def has_blob(self, sha256: str | None) -> bool:
        """Whether an array is in the run's folder, and is what it was."""
        return bool(sha256) and sha256 not in self.damage.blobs

    def rows_of(self, sha256: str, count: int) -> NDArray[Any]:
        """The first rows of an array in the store that `has_blob`, without reading the others."""
        array: NDArray[Any] = np.load(self.store.blob_path(sha256), mmap_mode="r", allow_pickle=False)
        return np.asarray(array[:count])


def _board(spec: Mapping[str, Any]) -> str:
    """The device that does a unit, or judges in it."""
    judge = spec.get("judge")
    return device_name(spec) or (device_name(judge) if isinstance(judge, dict) else "")


def _marked_away(store: StoreReader) -> Iterator[StoredUnit]:
    """The planned units; those of a board that was away, and what builds on them, say so."""
    boards: dict[str, str] = json.loads(store.meta("away") or "{}")
    reasons: dict[str, str] = {}
    for unit in store.planned_units():  # what a unit builds on comes before it
        found = boards.get(_board(unit.spec)) or next(filter(None, map(reasons.get, unit.needs.values())), None)
        if unit.status == "planned" and found:
            reasons[unit.key] = found
            unit = replace(unit, status=AWAY, reason=found)
        yield unit


def is_judged_by_float(unit: StoredUnit) -> bool:
    """Whether the Keras model itself gave a quality unit's scores, and not an artifact."""
    return bool(unit.spec["judge"] == FLOAT)


def is_sustained(unit: StoredUnit) -> bool:
    """Whether a latency unit is the long measurement of its row, and not one of the rounds."""
    return "sustained_s" in unit.spec


def device_name(spec: Mapping[str, Any]) -> str:
    """Of a unit's device or a judge's; empty for what no device did."""
    device = spec.get("device")
    return str(device["name"]) if device else ""


def device_kind(spec: Mapping[str, Any]) -> str:
    device = spec.get("device")
    return str(device["kind"]) if device else ""


def method_name(saliency: Mapping[str, Any]) -> str:
    """The method, its precision if not the usual one, and of maps that an artifact computed, which one and where."""
    deployed = f" by {saliency['format']} on {device_name(saliency)}" if saliency.get("device") else ""
    precision = f" in {saliency['precision']}" if "precision" in saliency else ""
    return f"{saliency['method']}{precision}{deployed}"


def full_label(saliency: Mapping[str, Any]) -> str:
    """The method with all its parameters: the same in every run, so that columns keep their names."""
    parameters = {name: value for name, value in sorted(saliency["parameters"].items()) if value is not None}
    return " ".join([method_name(saliency), *(f"{name}={_plain(value)}" for name, value in parameters.items())])


def short_labels(named: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Per key, the name with those parameters in which the entries of this name differ."""
    of_name: dict[str, list[Mapping[str, Any]]] = {}
    for name, parameters in named.values():
        of_name.setdefault(name, []).append(parameters)
    varied = {name: _varied(entries) for name, entries in of_name.items()}
    return {key: _short_label(name, parameters, varied[name]) for key, (name, parameters) in named.items()}


def _varied(entries: list[Mapping[str, Any]]) -> list[str]:
    names = sorted({name for parameters in entries for name in parameters})
    return [name for name in names if any(entry.get(name) != entries[0].get(name) for entry in entries)]


def _short_label(name: str, parameters: Mapping[str, Any], varied: Iterable[str]) -> str:
    shown = [f"{parameter}={_plain(parameters.get(parameter))}" for parameter in varied]
    return f"{name} ({', '.join(shown)})" if shown else name


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
