"""Stored attributions become maps in one way, whoever reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.store import StoredUnit, stored_maps

VALUES = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
REDUCED = {"sum": VALUES.sum(axis=-1), "max_abs": np.abs(VALUES).max(axis=-1)}


def saliency(method: str, **result: Any) -> StoredUnit:
    return StoredUnit(
        key="", kind="saliency", spec={"method": method}, status="done", reason="", result=result, seconds=None
    )


@pytest.mark.parametrize("channels", REDUCED)
def test_channels_are_reduced_as_the_unit_says(channels: str) -> None:
    maps = stored_maps(saliency("anything", channels=channels), VALUES, (4, 4))
    np.testing.assert_allclose(maps, REDUCED[channels], rtol=1e-6)


def test_maps_without_channels_are_only_enlarged() -> None:
    control = np.full((1, 2, 2), -0.5, np.float32)
    maps = stored_maps(saliency("control-random", channels=""), control, (4, 4))
    np.testing.assert_array_equal(maps, np.full((1, 4, 4), -0.5))
