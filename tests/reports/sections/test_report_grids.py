"""The grids of maps show what was scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.store import Outcome, Store, Unit
from reports.data.view import RunView
from reports.sections.grids import grids

SIZE = 8
# At every pixel the values of two channels cancel out but for 1, which is negative in the left half.
ATTRIBUTIONS = np.full((1, SIZE, SIZE, 2), 4, np.float32)
ATTRIBUTIONS[..., 1] = -3
ATTRIBUTIONS[:, :, : SIZE // 2, 1] = -5


@pytest.mark.parametrize(("channels", "scale", "signed"), [("sum", 1.0, True), ("max_abs", 5.0, False)])
def test_channels_are_reduced_as_for_scores(tmp_path: Path, channels: str, scale: float, signed: bool) -> None:
    store = Store(tmp_path)
    images = Unit(kind="images", spec={})
    model = {"name": "m", "preprocessing": {"height": SIZE, "width": SIZE}}
    saliency = Unit(
        kind="saliency", spec={"model": model, "method": "any", "parameters": {}}, needs={"images": images.key}
    )
    pixels = store.save_array(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    shown = {"blob": pixels, "images": ["a"], "labels": [0], "class_names": ["disc"]}
    maps = {"blob": store.save_array(ATTRIBUTIONS), "channels": channels, "images": ["a"], "predicted": [0]}
    store.replace_plan([images, saliency])
    store.commit(images, Outcome(result=shown), seconds=1.0)
    store.commit(saliency, Outcome(result=maps), seconds=1.0)

    (column,) = grids(RunView(store))["methods"]["any"].values()
    assert (column["maps"]["a"]["scale"], column["maps"]["a"]["signed"]) == (scale, signed)
