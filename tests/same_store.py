"""Whether two runs found the same. A repetition may change when and how fast something was done, never what came out.

MAPS, SCORES  the tolerances that docs/scaling.md promises, whoever did the units, in whichever order and batches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.store import Store, StoredUnit

TIMED = {"latency"}
MEASURED = {"peak_rss_bytes"}
MAPS = {"rtol": 1e-4, "atol": 1e-6}
SCORES = 1e-5


def assert_same_store(first: Path, second: Path) -> None:
    """The same units in the same order with the same statuses and reasons, their results, files and rows alike."""
    with Store(first) as one, Store(second) as other:
        units, again = list(one.planned_units()), list(other.planned_units())
        assert [(u.key, u.status, u.reason) for u in units] == [(u.key, u.status, u.reason) for u in again]
        for unit, repeated in zip(units, again):
            assert_same_result(unit, repeated, one, other)
            assert_same_rows(unit, one, other)


def assert_same_result(unit: StoredUnit, repeated: StoredUnit, one: Store, other: Store) -> None:
    assert unit.result.keys() == repeated.result.keys()
    if unit.kind in TIMED:
        assert unit.result["samples_ns"]
        assert repeated.result["samples_ns"]
        return
    for name in unit.result.keys() - MEASURED:
        value, again = unit.result[name], repeated.result[name]
        if name.endswith("blob") and value is not None:
            assert_same_blob(value, again, one, other)
        else:
            assert_alike(value, again, f"{unit.kind} {name}")


def assert_same_blob(name: str, again: str, one: Store, other: Store) -> None:
    """The same file, and it is there; arrays of numbers may differ by what is promised of maps."""
    assert other.is_intact(again)
    if name != again:
        np.testing.assert_allclose(one.load_array(name), other.load_array(again), **MAPS)


def assert_same_rows(unit: StoredUnit, one: Store, other: Store) -> None:
    for first, second in zip(one.predictions(unit.key), other.predictions(unit.key), strict=True):
        assert (first.image, first.label, first.ranked) == (second.image, second.label, second.ranked)
        assert first.scores == pytest.approx(second.scores, abs=SCORES)
    for a, b in zip(one.scores(unit.key), other.scores(unit.key), strict=True):
        assert (a.image, a.reason) == (b.image, b.reason)
        assert_alike(a.value, b.value, f"{unit.spec.get('metric')} of {a.image}")


def assert_alike(one: Any, other: Any, what: str) -> None:
    """Equal, but for numbers with a fraction: those within SCORES."""
    if isinstance(one, float) and isinstance(other, float):
        assert one == pytest.approx(other, abs=SCORES), what
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), what
        for value, again in zip(one, other):
            assert_alike(value, again, what)
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), what
        for name in one:
            assert_alike(one[name], other[name], f"{what} {name}")
    else:
        assert one == other, what
