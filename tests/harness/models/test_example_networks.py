"""The networks of examples/models are there, and each supported Python's HDF5 reads them whole."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "examples" / "models"
FILES = sorted(FOLDER.glob("*.h5"))


def test_every_network_has_its_accuracy() -> None:
    measured = json.loads((FOLDER / "models.json").read_text(encoding="utf-8"))
    assert {path.stem for path in FILES} == set(measured)
    assert all(0 < network["top1"] < 1 for network in measured.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_network_is_read_whole(path: Path) -> None:
    weights: list[np.ndarray] = []

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            weights.append(np.asarray(item))

    with h5py.File(path) as file:
        assert json.loads(file.attrs["model_config"])["class_name"]
        file.visititems(keep)
    assert sum(values.size for values in weights) > 100_000
    assert all(np.isfinite(values).all() for values in weights)
