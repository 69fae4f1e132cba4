"""The grids of maps show what was scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.experiment.selection import Named
from harness.stages import images, saliency
from harness.store import Outcome, Store
from reports.data.view import RunView
from reports.sections.grids import grids
from tests.reports.example_model import example_model
from tests.reports.recorded_results import result_of
from tests.reports.synthetic_runs import EXPERIMENT
from tests.reports.synthetic_runs import model as record

SIZE = 8
# At every pixel the values of two channels cancel out but for 1, which is negative in the left half.
ATTRIBUTIONS = np.full((1, SIZE, SIZE, 2), 4, np.float32)
ATTRIBUTIONS[..., 1] = -3
ATTRIBUTIONS[:, :, : SIZE // 2, 1] = -5


@pytest.mark.parametrize(("channels", "scale", "signed"), [("sum", 1.0, True), ("max_abs", 5.0, False)])
def test_channels_are_reduced_as_for_scores(tmp_path: Path, channels: str, scale: float, signed: bool) -> None:
    store, model = Store(tmp_path), example_model(record("any", "binarized", size=SIZE))
    shown = images.plan(EXPERIMENT, "fingerprint", model, split="test", count=1)
    maps = saliency.plan(model, Named(name="any", parameters={}), shown, target="predicted", seed=0)
    pixels, attributions = store.save_array(np.zeros((1, SIZE, SIZE, 3), np.uint8)), store.save_array(ATTRIBUTIONS)
    store.replace_plan([shown, maps])
    store.commit(shown, Outcome(result=result_of("images", blob=pixels, images=["a"], labels=[0])), seconds=1.0)
    result = result_of("saliency", blob=attributions, channels=channels, images=["a"], predicted=[0], blank=[False])
    store.commit(maps, Outcome(result=result), seconds=1.0)

    (column,) = grids(RunView(store))["methods"]["any"].values()
    assert (column["maps"]["a"]["scale"], column["maps"]["a"]["signed"]) == (scale, signed)
