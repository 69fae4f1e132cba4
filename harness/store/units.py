"""A unit of work, its key, what doing it produced, and how the store knows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The smallest thing that is done once and stored.

    spec   all that determines its result, besides the units that it builds on.
    needs  the keys of those, by the role that each plays.
    """

    kind: str
    spec: dict[str, Any]
    needs: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A hash of kind, spec and needs: the same work has the same key on any machine, on any day."""
        return hashlib.sha256(canonical_json([self.kind, self.spec, self.needs]).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The highest classes of one image, best first, with their scores (probabilities)."""

    image: str
    label: int
    ranked: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric's value for one image; `value` is None where there is none, and `reason` says why."""

    image: str
    value: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What doing a unit produced. `result` is plain JSON; the many-row parts have tables of their own."""

    result: dict[str, Any] = field(default_factory=dict)
    predictions: Sequence[Prediction] = ()
    scores: Sequence[Score] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUnit:
    """A unit as the store knows it: `status` is done, failed (with its reason) or planned (not done yet)."""

    key: str
    kind: str
    spec: dict[str, Any]
    needs: Mapping[str, str] = field(default_factory=dict)
    status: str
    reason: str
    result: dict[str, Any]
    seconds: float | None


def canonical_json(value: Any) -> str:
    """One text per value, whatever the order in which its keys were written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
