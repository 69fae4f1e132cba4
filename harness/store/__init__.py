"""What a run keeps: units of work with their results in SQLite, and arrays beside it, named by their content.

It does not know how a unit is done. The coordinator writes it; reports read it.
"""

from __future__ import annotations

from harness.store.attributions import stored_maps
from harness.store.database import Store
from harness.store.migration import UnreadableStore
from harness.store.units import Outcome, Prediction, Score, StoredUnit, Unit, canonical_json

__all__ = [
    "Outcome",
    "Prediction",
    "Score",
    "Store",
    "StoredUnit",
    "Unit",
    "UnreadableStore",
    "canonical_json",
    "stored_maps",
]
