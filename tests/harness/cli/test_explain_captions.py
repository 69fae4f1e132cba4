"""The pictures of `bitlens explain` say which class they explain, by which method, of which model."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.cli import explain_files, explain_text
from harness.cli.explain_image import Explanation, ScoredMap
from reports.drawing.overlays import overlay_picture

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
MAP = np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
NAMES = ("sun", "moon\x1b[2J")


def explained(target: int) -> Explanation:
    gradcam = ScoredMap(label="gradcam layer=3", method="gradcam", map=MAP, scores={"sparseness": 0.5})
    control = ScoredMap(label="control: random", method=None, map=MAP)
    return Explanation(
        probabilities=np.array([0.25, 0.75], np.float32), target=target, maps=(gradcam, control), pseudo_gradient=False
    )


@pytest.mark.parametrize(
    ("target", "title"), [(1, "moon\\x1b[2J 75.0%"), (0, "sun 25.0%, where moon\\x1b[2J 75.0% is predicted")]
)
def test_a_picture_names_class_probability_method_and_model(tmp_path: Path, target: int, title: str) -> None:
    caption = partial(explain_text.caption, Path("photos/sky.jpg"), explained(target), NAMES, "planted-binary")
    written = explain_files.write(tmp_path, "sky", IMAGE, explained(target), caption=caption, plain=False)
    with Image.open(written["gradcam"]) as picture:
        picture.load()
        facts = json.loads(picture.info["bitlens"])
        assert (picture.info["Title"], picture.info["Description"]) == (
            title,
            "gradcam layer=3, planted-binary, sky.jpg",
        )
    assert {name: facts[name] for name in ("model", "method", "class", "predicted", "probability")} == {
        "model": "planted-binary",
        "method": "gradcam layer=3",
        "class": target,
        "predicted": 1,
        "probability": [0.25, 0.75][target],
    }


def test_a_plain_picture_has_its_caption_as_metadata_alone(tmp_path: Path) -> None:
    caption = partial(explain_text.caption, Path("sky.jpg"), explained(1), NAMES, "planted-binary")
    pictures = {}
    for plain in (False, True):
        written = explain_files.write(tmp_path, f"sky{plain}", IMAGE, explained(1), caption=caption, plain=plain)
        pictures[plain] = Image.open(written["gradcam"])
    bare = np.asarray(overlay_picture(IMAGE, MAP))
    assert np.array_equal(np.asarray(pictures[True]), bare)
    assert pictures[True].info["Title"] == pictures[False].info["Title"]
    titled = np.asarray(pictures[False])
    assert np.array_equal(titled[-len(bare) :], bare)
    assert len(titled) > len(bare)
