"""The same numbers whoever does the work and in whichever batches: maps within MAPS, scores within SCORES."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.store import Store, StoredUnit, canonical_json
from tests.harness.execution.twins import undisturbed, written
from tests.same_store import MAPS, SCORES, assert_same_store

pytestmark = pytest.mark.slow  # each process imports TensorFlow


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(written(tmp_path_factory.mktemp("alone")))


@pytest.mark.parametrize("workers", [2, 4])
def test_so_many_workers_find_what_one_process_finds(alone: Path, tmp_path: Path, workers: int) -> None:
    run(read_experiment(written(tmp_path)), tmp_path / "run", worker_config=WorkerConfig(workers=workers))
    assert_same_store(alone, tmp_path / "run")


def test_other_batches_change_no_map_and_no_score_of_any_image(alone: Path, tmp_path: Path) -> None:
    run(read_experiment(written(tmp_path, batch=4)), tmp_path / "run", worker_config=WorkerConfig(workers=0))
    with Store(alone) as one, Store(tmp_path / "run") as other:
        maps, again = maps_by_image(one), maps_by_image(other)
        scores, repeated = scores_by_image(one), scores_by_image(other)
    assert maps.keys() == again.keys()
    assert scores == pytest.approx(repeated, abs=SCORES)
    for question, values in maps.items():
        np.testing.assert_allclose(values, again[question], **MAPS, err_msg=question)
    assert len(maps) == 6 * 2 * 6  # three methods and three controls, two models, six images


def maps_by_image(store: Store) -> dict[str, Any]:
    maps = {}
    for unit in store.planned_units("saliency"):
        arrays = store.load_array(unit.result["blob"])
        maps.update({f"{question(store, unit)} {image}": a for image, a in zip(unit.result["images"], arrays)})
    return maps


def scores_by_image(store: Store) -> dict[str, float | None]:
    return {
        f"{question(store, unit)} {score.image}": score.value
        for unit in store.planned_units()
        for score in store.scores(unit.key)
    }


def question(store: Store, unit: StoredUnit) -> str:
    """What a unit asks, whichever images it asks it of."""
    needs = {role: question(store, store.unit(key)) for role, key in unit.needs.items() if role != "images"}
    return canonical_json([unit.kind, unit.spec, needs])
