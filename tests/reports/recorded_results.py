"""Result records as the stages write them: those of a recorded run (recorded/README.md), with chosen values in them."""

from __future__ import annotations

import copy
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from harness.store import Store, StoredUnit

RECORDED = Path(__file__).parents[1] / "recorded"
NEWEST = "schema2"


@cache
def recorded_units() -> tuple[StoredUnit, ...]:
    """The units of the recorded run. A copy is opened, because opening a store writes beside it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(RECORDED / NEWEST, folder, dirs_exist_ok=True)
        with Store(Path(folder)) as store:
            return tuple(store.planned_units())


def result_of(kind: str, **values: Any) -> dict[str, Any]:
    """The recorded result of a unit of this kind that has all these fields, with these values in them."""
    for unit in recorded_units():
        if unit.kind == kind and values.keys() <= unit.result.keys():
            return copy.deepcopy(unit.result) | values
    raise ValueError(f"no unit of kind {kind} writes all of {', '.join(values)}")
