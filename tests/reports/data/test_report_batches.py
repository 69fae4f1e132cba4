"""Explanations are done in batches of images; a report shows what it would show had they been done at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.experiment.experiment import Named
from harness.stages import images, quality, saliency
from harness.store import Outcome, Score, Store
from reports.data.view import RunView
from reports.sections.grids import grids
from reports.tables.scores import quality as quality_table
from reports.tables.scores import quality_summary
from tests.reports.example_model import example_model
from tests.reports.recorded_results import result_of
from tests.reports.synthetic_runs import EXPERIMENT, TWINS, RunBuilder

COUNT, SIZE = 6, 64
GRADIENT, SPARSENESS = Named(name="gradient", parameters={}), Named(name="sparseness", parameters={})


def _run(folder: Path, *, batch: int, failing: int | None = None) -> Store:
    """One method and one metric on six images; the batch that begins at `failing` fails."""
    run, model, rng = RunBuilder(folder), example_model(TWINS[0]), np.random.default_rng(0)
    pixels = rng.integers(0, 255, (COUNT, SIZE, SIZE, 3), np.uint8)
    maps, values = rng.normal(size=(COUNT, SIZE, SIZE)).astype(np.float32), rng.random(COUNT)
    for first in range(0, COUNT, batch):
        part = slice(first, first + batch)
        keys = [f"test/{i:06d}" for i in range(COUNT)][part]
        shown = images.plan(EXPERIMENT, "fingerprint", model, split="test", count=len(keys), first=first)
        explained = saliency.plan(model, GRADIENT, shown, target="predicted", seed=0)
        scored = quality.plan(explained, SPARSENESS)
        classes, stored = [0] * len(keys), run.store.save_array
        picture = result_of("images", blob=stored(pixels[part]), masks_blob=None, images=keys, labels=classes)
        attribution = result_of("saliency", blob=stored(maps[part]), images=keys, predicted=classes, targets=classes)
        attribution |= {"blank": [False] * len(keys), "causes": [""] * len(keys)}
        scores = [Score(image=key, value=float(value)) for key, value in zip(keys, values[part])]
        run.add(shown, Outcome(result=picture))
        run.add(explained, Outcome(result=attribution))
        outcome = Outcome(result=result_of("quality", better="higher"), scores=scores)
        run.add(scored, "the judge fell asleep" if first == failing else outcome)
    return Store(run.build())


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_batches_change_nothing_that_a_report_shows(tmp_path: Path, batch: int) -> None:
    whole, parts = _run(tmp_path / "whole", batch=COUNT), _run(tmp_path / "parts", batch=batch)

    assert quality_table(parts).equals(quality_table(whole))
    assert quality_summary(RunView(parts)).equals(quality_summary(RunView(whole)))
    assert grids(RunView(parts)) == grids(RunView(whole))
    assert grids(RunView(parts), most=5) == grids(RunView(whole), most=5)


def test_a_failed_batch_is_reported_and_costs_its_own_images_only(tmp_path: Path) -> None:
    row = quality_summary(RunView(_run(tmp_path, batch=2, failing=2))).to_dict("records")[0]

    assert (row["status"], row["reason"], row["images"]) == ("failed", "the judge fell asleep", 4)
