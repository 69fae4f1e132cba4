"""A model named on the command line: of the catalogue, of an experiment file, or a model file of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import ConfigError, nearest
from harness.models.catalogue import CATALOGUE, Model, catalogue_model
from harness.models.declared import Declared
from harness.models.origin import SUFFIXES


def named(name: str, *, weights: str | None, seed: int = 0) -> Model:
    """A model of the catalogue."""
    if name not in CATALOGUE:
        raise ConfigError(
            f'model: expected a name of the catalogue or a file, got "{name}"',
            hint=f"{nearest(name, CATALOGUE)}; `bitlens list models` shows all",
        )
    if weights not in (None, "trained", "imagenet", "random"):
        weights = str(Path(weights).expanduser())
    return catalogue_model(name, CATALOGUE[name], weights=weights, seed=seed)


def is_file(name: str) -> bool:
    """Does a name on the command line mean a file or folder rather than a model of the catalogue?"""
    return name not in CATALOGUE and (os.path.exists(name) or Path(name).suffix in SUFFIXES or "/" in name)


def own_file(path: Path, declared: Declared, *, output: str, trusted: bool, module: Path | None) -> Model:
    """A model file or folder named on the command line, which `harness.models.completion` makes complete."""
    path = path.expanduser()
    return Model(
        name=path.stem or path.resolve().stem,
        family="",
        preprocessing={},
        classes=0,
        weights=str(path),
        output=output,
        trusted=trusted,
        module=None if module is None else str(module.expanduser()),
        declared=declared,
    )
