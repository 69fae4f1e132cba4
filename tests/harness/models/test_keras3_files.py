"""Files of Keras 3: each comes back as what Keras itself says of it, or one sentence names the cause."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.tflite import fp32
from device import runtimes
from harness.errors import ConfigError
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.loading import load_model
from harness.saliency import GradientEngine, explain
from tests.harness.models.keras3_models import BUILDERS, CLASSES, IMAGES, SIZE, build, saved

SLOW = {"mobilenet_v3"}  # a hundred layers, traced at every step
KINDS = ("model.keras", "model.h5", "exported")
CAUSES = {  # what Keras 3 does not read of its own HDF5 files
    ("mobilenet_v3", "model.h5"): "Only input tensors may be passed as positional arguments",
    ("operations", "model.h5"): "Unknown layer: 'Split'",
}
TABLE = [
    pytest.param(name, kind, marks=[pytest.mark.slow] if name in SLOW else [], id=f"{name}-{kind}")
    for name in BUILDERS
    for kind in KINDS
]


@cache
def original(name: str) -> tuple[Any, np.ndarray]:
    """A model of the table, and what it says of the images."""
    model = build(name)
    return model, model(IMAGES, training=False).numpy()


def mine(path: Path, *, size: int = SIZE, classes: int = CLASSES, trusted: bool = False) -> Model:
    return Model(
        name="mine",
        family="full-precision",
        preprocessing=minus_one_to_one(size),
        classes=classes,
        weights=str(path),
        trusted=trusted,
    )


def deployed(content: bytes, folder: Path) -> np.ndarray:
    """(N, classes): what a TFLite runtime makes of the images, one by one."""
    (folder / "artifact.tflite").write_bytes(content)
    runtime = runtimes.load(str(folder / "artifact.tflite"))
    rows = []
    for image in IMAGES:
        runtime.set_inputs([runtime.inputs[0].encode(image[None])])
        runtime.invoke()
        rows.append(runtime.outputs[0].decode(runtime.get_outputs()[0]).copy())
    return np.concatenate(rows)


@pytest.mark.parametrize(("name", "kind"), TABLE)
def test_file_gives_what_keras_says_or_names_the_cause(name: str, kind: str, tmp_path: Path) -> None:
    model, scores = original(name)
    file = mine(saved(model, tmp_path / kind))
    if (name, kind) in CAUSES:
        with pytest.raises(ConfigError) as caught:
            load_model(file)
        sentence, hint = str(caught.value).split("\n  try: ")
        assert "Keras 3.15.1 wrote it, and keras 3.15.1 says: " + CAUSES[name, kind] in sentence
        assert hint.startswith('`model.save("model.keras")` again')
        return
    loaded = load_model(file)
    assert loaded.input_shape == (None, SIZE, SIZE, 3)
    np.testing.assert_allclose(loaded(IMAGES, training=False), scores, atol=1e-5)
    np.testing.assert_allclose(deployed(fp32(loaded), tmp_path), scores, atol=1e-5)
