"""Explanations are computed in batches of images, each a unit of its own; reports speak of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.store.units import StoredUnit, canonical_json

JOINED = ("saliency", "quality", "agreement", "aopc_bounds", "amplification")
AWAY = "away"  # not begun, because a board did not answer
STATUSES = ("done", "planned", AWAY, "failed")  # best to worst
OF_THE_BATCH = ("first", "count")  # what differs between the images units of one explanation


def joined(units: Sequence[StoredUnit]) -> tuple[list[StoredUnit], dict[str, list[StoredUnit]]]:
    """The units with batches joined, in order, and the parts of each by its key.

    A joined unit has the key and spec of its first batch, the worst status, and the lists of all results one after the
    other.
    """
    wholes: dict[str, str] = {}  # key of a unit -> name of the whole that it is part of
    parts: dict[str, list[StoredUnit]] = {}
    for unit in units:  # what a unit builds on comes before it
        name = _whole_of(unit, wholes)
        wholes[unit.key] = name
        parts.setdefault(name if unit.kind in JOINED else unit.key, []).append(unit)
    return [_join(group) for group in parts.values()], {group[0].key: group for group in parts.values()}


def _whole_of(unit: StoredUnit, wholes: Mapping[str, str]) -> str:
    """A text that is the same for all batches: the spec, and for each need the name of its whole."""
    spec = {k: v for k, v in unit.spec.items() if unit.kind != "images" or k not in OF_THE_BATCH}
    return canonical_json([unit.kind, spec, {role: wholes.get(key, key) for role, key in unit.needs.items()}])


def _join(group: Sequence[StoredUnit]) -> StoredUnit:
    first = group[0]
    if len(group) == 1:
        return first
    worst = max(group, key=lambda unit: STATUSES.index(unit.status))
    done = [unit.result for unit in group if unit.status == "done"]
    result = dict(done[0]) if done else {}
    for name, value in result.items():
        if isinstance(value, list) and name not in ("notes", "layers"):
            result[name] = [entry for of_batch in done for entry in of_batch[name]]
    seconds = [unit.seconds for unit in group if unit.seconds is not None]
    return replace(
        first, status=worst.status, reason=worst.reason, result=result, seconds=sum(seconds) if seconds else None
    )
