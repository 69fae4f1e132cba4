"""A small store with every sort of row, and all that can be asked of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.store import DamagedRun, Outcome, Prediction, Score, Store, StoreReader, Unit

UNITS = [Unit(kind="kl"[n % 2], spec={"number": n, "model": {"name": "a"}}, needs={}) for n in range(12)]


def outcome(store: Store, number: int) -> Outcome:
    images = [f"test/{i}" for i in range(4)]
    return Outcome(
        result={"blob": store.save_array(np.full((3, 3), number)), "curve": [number / 7] * 30},
        predictions=[Prediction(image=i, label=1, ranked=(1, 0), scores=(0.75, 0.25)) for i in images],
        scores=[Score(image=i, value=number / 3) for i in images],
    )


def everything(store: StoreReader) -> Any:
    """All that can be asked of a store; raises DamagedRun if anything is said to be wrong."""
    if store.damage:
        raise DamagedRun(f"{store.damage}")
    units = list(store.planned_units())
    rows = [(store.scores(unit.key), store.predictions(unit.key)) for unit in units]
    arrays = [store.load_array(unit.result["blob"]).tolist() for unit in units if unit.status == "done"]
    return units, rows, arrays, store.counts(), store.finished(), store.meta("experiment_name"), list(store.missing())
