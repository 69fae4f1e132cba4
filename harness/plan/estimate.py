"""What a run will take: units by stage, hours and gigabytes as units of their kind took, and what costs most."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from harness.stages.unit_spec import board_of
from harness.store.database import Store
from harness.store.units import StoredUnit, Unit

SAMPLES = 2  # units of each group that a calibration does: the first also loads the model
CUTS = ("model", "method", "noise_level", "format", "metric")
EXPLAINING = ("saliency", "aopc_bounds", "agreement", "quality")  # stages that do as much for each explained image

Group = tuple[tuple[str, str], ...]  # what units have in common that take equally long


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage. `hours` of one worker or board and `gigabytes` are of what is to do; None where nothing was done."""

    kind: str
    total: int
    done: int
    failed: int
    to_do: int
    hours: float | None
    gigabytes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What the run would be spared without everything of one name and what builds on it, in hours of one worker."""

    without: str
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """hours  of the clock with this many workers: theirs divided, and the board that takes longest.

    unknown  groups of which nothing was ever done, so that they are in no sum.
    """

    stages: tuple[StageRow, ...]
    workers: int
    hours: float
    gigabytes: float
    cuts: tuple[Cut, ...]
    unknown: tuple[str, ...]


def group_of(unit: Unit | StoredUnit) -> Group:
    """Kind, model, method with its noise level, format, metric and board."""
    spec = unit.spec
    model = spec.get("model")
    values = {
        "kind": unit.kind,
        "model": model["name"] if isinstance(model, dict) else None,
        "method": spec.get("method"),
        "noise_level": (spec.get("parameters") or {}).get("noise_level"),
        "format": spec.get("format"),
        "metric": spec.get("metric"),
        "board": board_of(Unit(kind=unit.kind, spec=spec)),
    }
    return tuple((name, str(value)) for name, value in values.items() if value is not None)


def samples(store: Store) -> set[str]:
    """Keys of what a calibration does: units of each group of which too little is done, and what they build on.

    Boards are left alone: what is measured there is measured in the order of the plan.
    """
    done = Counter(group_of(unit) for unit in store.planned_units() if unit.status == "done")
    chosen: set[str] = set()
    for unit in store.missing():
        group = group_of(unit)
        if board_of(unit) is None and done[group] < SAMPLES:
            done[group] += 1
            chosen |= _with_sources(store, unit)
    return chosen


def _with_sources(store: Store, unit: Unit) -> set[str]:
    """The key of a unit and those of all that it builds on, directly or not; none if a board must make one of them."""
    keys = {unit.key}
    for key in unit.needs.values():
        source = store.planned_unit(key)
        if source is not None:
            of_source = _with_sources(store, source)
            if not of_source or board_of(source) is not None:
                return set()
            keys |= of_source
    return keys


def estimate(store: Store, *, workers: int) -> Estimate:
    """From the latest plan and what the store has of it."""
    measured = _measured(store)
    missing = Counter(map(group_of, store.missing()))
    known = {group: measured[group] for group in missing if group in measured}
    seconds = {group: count * known[group][0] for group, count in missing.items() if group in known}
    boards: Counter[str] = Counter()
    for group, of_group in seconds.items():
        boards[dict(group).get("board", "")] += of_group  # type: ignore[assignment]  # a Counter may hold floats
    by_workers = boards.pop("", 0.0)
    return Estimate(
        stages=tuple(_stages(store, missing, known)),
        workers=workers,
        hours=(by_workers / workers + max(boards.values(), default=0.0)) / 3600,
        gigabytes=sum(count * known[group][1] for group, count in missing.items() if group in known) / 1e9,
        cuts=tuple(_cuts(store, known)),
        unknown=tuple(" ".join(value for _, value in group) for group in missing if group not in known),
    )


def _measured(store: Store) -> dict[Group, tuple[float, float]]:
    """Seconds and bytes of a unit of each group. The slowest, which loaded the model, counts only if it is alone."""
    samples_of: dict[Group, list[tuple[float, int]]] = defaultdict(list)
    for unit in store.planned_units():
        if unit.status == "done" and unit.seconds is not None:
            samples_of[group_of(unit)].append((unit.seconds, _bytes(store, unit.result)))
    return {group: _typical(values) for group, values in samples_of.items()}


def _typical(values: list[tuple[float, int]]) -> tuple[float, float]:
    seconds = sorted(value for value, _ in values)
    return statistics.mean(seconds[:-1] or seconds), statistics.mean(size for _, size in values)


def _bytes(store: Store, result: Mapping[str, Any]) -> int:
    paths = [store.blob_path(value) for name, value in result.items() if name.endswith("blob") and value]
    return sum(path.stat().st_size for path in paths if path.exists())


def _stages(store: Store, missing: Counter[Group], known: Mapping[Group, tuple[float, float]]) -> Iterator[StageRow]:
    for kind, counts in store.counts().items():
        groups = {group: count for group, count in missing.items() if dict(group)["kind"] == kind}
        is_known = all(group in known for group in groups)
        yield StageRow(
            kind=kind,
            total=sum(counts.values()),
            done=counts["done"],
            failed=counts["failed"],
            to_do=counts["planned"],
            hours=sum(n * known[g][0] for g, n in groups.items()) / 3600 if is_known else None,
            gigabytes=sum(n * known[g][1] for g, n in groups.items()) / 1e9 if is_known else None,
        )


def _cuts(store: Store, known: Mapping[Group, tuple[float, float]]) -> list[Cut]:
    """What costs most by each name, with all that builds on it; half of the images spares half of all explanations."""

    @lru_cache(maxsize=10_000)  # many units build on the same
    def names_of(key: str) -> frozenset[str]:
        unit = store.planned_unit(key)
        return names(unit) if unit else frozenset()

    def names(unit: Unit) -> frozenset[str]:
        return _own_names(unit).union(*map(names_of, unit.needs.values()))

    spared: defaultdict[str, float] = defaultdict(float)
    for unit in store.missing():
        seconds, _ = known.get(group_of(unit), (0.0, 0.0))
        for name in names(unit):
            spared[name] += seconds
        if unit.kind in EXPLAINING:
            spared["half of the explained images"] += seconds / 2
    dearest = sorted(spared.items(), key=lambda item: item[1], reverse=True)
    return [Cut(without=name, hours=value / 3600) for name, value in dearest[:8] if value]


def _own_names(unit: Unit) -> frozenset[str]:
    return frozenset(f"{name} {value}" for name, value in group_of(unit) if name in CUTS)
