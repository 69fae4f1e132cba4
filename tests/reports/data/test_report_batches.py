"""Explanations are done in batches of images; a report shows what it would show had they been done at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.store import Outcome, Score, Store, Unit
from reports.data.view import RunView
from reports.sections.grids import grids
from reports.tables.scores import quality, quality_summary
from tests.reports.synthetic_runs import TWINS

COUNT, SIZE = 6, 64


def _run(folder: Path, *, batch: int, failing: int | None = None) -> Store:
    """One method and one metric on six images; the batch that begins at `failing` fails."""
    store, units = Store(folder), []
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (COUNT, SIZE, SIZE, 3), np.uint8)
    maps, values = random.normal(size=(COUNT, SIZE, SIZE)).astype(np.float32), random.random(COUNT)
    for first in range(0, COUNT, batch):
        part = slice(first, first + batch)
        keys = [f"image {i}" for i in range(COUNT)][part]
        images = Unit(kind="images", spec={"dataset": "planted", "first": first, "count": len(keys)})
        classes = [0] * len(keys)
        shown = {"blob": store.save_array(pixels[part]), "images": keys, "labels": classes, "class_names": ["disc"]}
        explained = {"model": TWINS[0], "method": "gradient", "parameters": {}, "images": images.key, "seed": 0}
        saliency = Unit(kind="saliency", spec=explained)
        result = {"blob": store.save_array(maps[part]), "images": keys, "predicted": classes, "blank": [False] * batch}
        judged = {"model": TWINS[0], "saliency": saliency.key, "images": images.key, "metric": "m", "judge": "float"}
        scored = Unit(kind="quality", spec=judged)
        scores = [Score(image=key, value=float(value)) for key, value in zip(keys, values[part])]
        units += [images, saliency, scored]
        store.commit(images, Outcome(result=shown), seconds=1.0)
        store.commit(saliency, Outcome(result=result), seconds=1.0)
        if first == failing:
            store.fail(scored, "the judge fell asleep", seconds=1.0)
        else:
            store.commit(scored, Outcome(result={"better": "higher", "unit": "x"}, scores=scores), seconds=1.0)
    store.replace_plan(units)
    return store


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_batches_change_nothing_that_a_report_shows(tmp_path: Path, batch: int) -> None:
    whole, parts = _run(tmp_path / "whole", batch=COUNT), _run(tmp_path / "parts", batch=batch)

    assert quality(parts).equals(quality(whole))
    assert quality_summary(RunView(parts)).equals(quality_summary(RunView(whole)))
    assert grids(RunView(parts)) == grids(RunView(whole))
    assert grids(RunView(parts), most=5) == grids(RunView(whole), most=5)


def test_a_failed_batch_is_told_and_costs_its_own_images_only(tmp_path: Path) -> None:
    row = quality_summary(RunView(_run(tmp_path, batch=2, failing=2))).to_dict("records")[0]

    assert (row["status"], row["reason"], row["images"]) == ("failed", "the judge fell asleep", 4)
