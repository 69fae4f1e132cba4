"""Files of Keras 3: each comes back as what Keras itself says of it, or one sentence names the cause."""

from __future__ import annotations

import importlib
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.tflite import fp32
from device import runtimes
from harness.errors import ConfigError
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.loading import load_model
from harness.saliency import GradientEngine
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
        runtime.set_inputs([image[None]])
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


# ------------------------------------------------------------------------------------ content, whatever the name says
def small(x: Callable[[Any], Any] = lambda image: image) -> Any:
    import keras

    image = keras.Input((12, 12, 3))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x(image))))


def small_file(path: Path, **options: Any) -> Model:
    return mine(path, size=12, classes=3, **options)


def refusal(file: Model) -> str:
    with pytest.raises(ConfigError) as caught:
        load_model(file)
    assert len(str(caught.value).split("\n  try: ")[0].splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(("written", "called"), [("m.h5", "m.keras"), ("m.keras", "m.h5"), ("m.keras", "m.zip")])
def test_file_under_a_wrong_name_is_read_as_what_it_is(written: str, called: str, tmp_path: Path) -> None:
    model = small()
    path = saved(model, tmp_path / written).rename(tmp_path / called)
    images = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)
    np.testing.assert_allclose(load_model(small_file(path))(images), model(images), atol=1e-6)


def test_unpacked_file_is_a_folder_with_the_same_parts(tmp_path: Path) -> None:
    model = small()
    saved(model, tmp_path / "model.keras")
    shutil.unpack_archive(tmp_path / "model.keras", tmp_path / "unpacked", "zip")
    images = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)
    np.testing.assert_allclose(load_model(small_file(tmp_path / "unpacked"))(images), model(images), atol=1e-6)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_truncated_file_is_not_a_model(name: str, tmp_path: Path) -> None:
    path = saved(small(), tmp_path / name)
    path.write_bytes(path.read_bytes()[:2000])
    assert "could not be read as a Keras model (" in refusal(small_file(path))


def test_weights_without_architecture_are_told_apart(tmp_path: Path) -> None:
    small().save_weights(tmp_path / "model.weights.h5")
    assert "weights alone need the architecture" in refusal(small_file(tmp_path / "model.weights.h5"))


def test_archives_of_others_are_not_taken_for_keras(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as file:  # as PyTorch packs its models
        file.writestr("data.pkl", b"")
    assert "export it to ONNX" in refusal(small_file(tmp_path / "model.pt"))
    (tmp_path / "model.pt").rename(tmp_path / "model.keras")
    assert "neither a zip file of Keras nor HDF5" in refusal(small_file(tmp_path / "model.keras"))


def altered(path: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """A .keras file of which one JSON part was changed by hand."""
    with zipfile.ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    part = json.loads(contents[name])
    change(part)
    with zipfile.ZipFile(path, "w") as file:
        for inside, content in {**contents, name: json.dumps(part).encode()}.items():
            file.writestr(inside, content)
    return path


def test_file_of_a_newer_keras_says_which_wrote_it_and_which_reads_it(tmp_path: Path) -> None:
    path = saved(small(), tmp_path / "model.keras")
    altered(path, "metadata.json", lambda metadata: metadata.update(keras_version="4.2.0"))
    assert load_model(small_file(path)).output_shape == (None, 3), "what can be read is read"

    def use_a_new_layer(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["class_name"] = "FlattenMore"

    sentence = refusal(small_file(altered(path, "config.json", use_a_new_layer)))
    assert "holds a FlattenMore in layer" in sentence, "nobody has read yet what a new layer does"
    sentence = refusal(small_file(path, trusted=True))
    here = version("keras")
    assert f"Keras 4.2.0 wrote it, and keras {here} says: " in sentence
    assert "FlattenMore" in sentence
    assert f'try: `model.save("model.keras")` again with Keras {here}' in sentence


# ------------------------------------------------------------------------------------------------------ code inside
def doubled(image: Any) -> Any:
    import keras

    return keras.layers.Lambda(lambda x: 2 * x, output_shape=(12, 12, 3))(image)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_lambda_layer_is_refused_unless_the_file_is_trusted(name: str, tmp_path: Path) -> None:
    path = saved(small(doubled), tmp_path / name)
    assert "holds a Lambda layer in layer" in refusal(small_file(path))
    assert load_model(small_file(path, trusted=True)).output_shape == (None, 3)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_hdf5_file_that_calls_itself_keras_is_searched_as_hdf5(package: str, tmp_path: Path) -> None:
    keras = importlib.import_module(package)
    image = keras.Input((12, 12, 3))
    x = keras.layers.Lambda(lambda x: 2 * x, **({"output_shape": (12, 12, 3)} if package == "keras" else {}))(image)
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    path = saved(model, tmp_path / "model.h5").rename(tmp_path / "model.keras")
    assert "holds a Lambda layer" in refusal(small_file(path))


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (
            {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
            "the function os.system",
        ),
        (
            {"module": "mine.layers", "class_name": "Own", "config": {}, "registered_name": "Own"},
            "the Python object mine.layers.Own",
        ),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x"}}, "a TFSMLayer"),
        ({"module": "builtins", "class_name": "__lambda__", "config": {"value": ""}}, "a Lambda layer"),
    ],
)
def test_foreign_object_is_refused_before_it_is_imported(part: dict[str, Any], named: str, tmp_path: Path) -> None:
    def put_it_in(config: dict[str, Any]) -> None:
        config["config"]["layers"][-1]["config"]["activation"] = part

    path = altered(saved(small(), tmp_path / "model.keras"), "config.json", put_it_in)
    assert f"holds {named} in layer" in refusal(small_file(path))


def test_layer_of_its_maker_is_named_with_a_way_out(tmp_path: Path) -> None:
    import keras

    class Own(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + 1

    path = saved(small(lambda image: Own()(image)), tmp_path / "model.keras")
    assert f"the Python object {__name__}.Own" in refusal(small_file(path))
    sentence = refusal(small_file(path, trusted=True))
    assert f"holds the Python object {__name__}.Own" in sentence
    assert 'try: module = "FILE.py"' in sentence
    assert 'or `model.export("folder")`' in sentence
    assert load_model(small_file(saved(small(lambda image: Own()(image)), tmp_path / "exported"))).output_shape == (
        None,
        3,
    )


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
