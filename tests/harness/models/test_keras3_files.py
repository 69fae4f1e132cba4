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
CAUSES = {  # what Keras 3 writes and does not read, or does not read as it was
    ("mobilenet_v3", "model.h5"): "says: Only input tensors may be passed as positional arguments",
    ("operations", "model.h5"): "says: Unknown layer: 'Split'",
    ("preprocessing_inside", "exported"): "draws random numbers",
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
        assert CAUSES[name, kind] in sentence
        assert len(sentence.splitlines()) == 1
        assert hint.startswith('`model.save("model.keras")`')
        return
    loaded = load_model(file)
    assert loaded.input_shape == (None, SIZE, SIZE, 3)
    np.testing.assert_allclose(loaded(IMAGES, training=False), scores, atol=1e-5)
    np.testing.assert_allclose(deployed(fp32(loaded), tmp_path), scores, atol=1e-5)


# ------------------------------------------------------------------------------------------------------ explanations
def logits_by_tape(model: Any, images: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(logits, gradients of the targets' logits) by TensorFlow alone, with the softmax head taken off by hand."""
    import keras
    import tensorflow as tf

    last = (getattr(model, "_functional", None) or model).operations[-1]
    if type(last).__name__ in ("Softmax", "Activation"):
        model = keras.Model(model.inputs, last.input)
    activation = getattr(last, "activation", None)
    try:
        if isinstance(last, keras.layers.Dense):
            last.activation = keras.activations.linear
        with tf.GradientTape() as tape:
            pixels = tf.constant(images)
            tape.watch(pixels)
            logits = model(pixels, training=False)
            score = tf.reduce_sum(tf.gather(logits, targets, batch_dims=1))
        return logits.numpy(), tape.gradient(score, pixels).numpy()
    finally:
        if isinstance(last, keras.layers.Dense):
            last.activation = activation


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in BUILDERS])
def test_gradients_of_a_loaded_file_are_those_of_a_plain_tape(name: str, tmp_path: Path) -> None:
    model, _ = original(name)
    loaded = load_model(mine(saved(model, tmp_path / "model.keras")))
    targets = np.array([0, 2, 4])
    logits, gradients = logits_by_tape(model, IMAGES, targets)
    for fast in (True, False):
        engine = GradientEngine(loaded, fast=fast)
        backward = engine.backward(IMAGES, targets)
        np.testing.assert_allclose(backward.logits, logits, atol=1e-5 * np.ptp(logits))
        np.testing.assert_allclose(backward.input_gradient, gradients, atol=1e-5 * np.ptp(gradients))
