"""What a run keeps: units of work with their results in SQLite, and arrays beside it, named by their content.

It does not know how a unit is done. The coordinator writes it; reports read it. Decisions 2 and 4.
"""

from __future__ import annotations

from harness.store.attributions import stored_maps
from harness.store.database import Store
from harness.store.folder import UnreadableStore
from harness.store.integrity import Damage, DamagedRun
from harness.store.store_reader import ReadOnlyStore, StoreReader, read_store
from harness.store.units import Outcome, Prediction, Score, StoredUnit, Unit, canonical_json

__all__ = [
    "Damage",
    "DamagedRun",
    "Outcome",
    "Prediction",
    "ReadOnlyStore",
    "Score",
    "Store",
    "StoreReader",
    "StoredUnit",
    "Unit",
    "UnreadableStore",
    "canonical_json",
    "read_store",
    "stored_maps",
]
