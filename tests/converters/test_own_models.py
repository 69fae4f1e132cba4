"""Models of the user's own, from every kind of file, through every format that fits them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import BINARIZED, FORMATS, FULL_PRECISION, ConversionError
from converters.fidelity import Answers, compare
from converters.lce import lce, lce_int8
from converters.tflite import Calibration, fp32, int8, with_int8_ends
from converters.trained_ranges import has_trained_ranges
from device import runtimes
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.loading import load_model
from harness.registry import resolve
from harness.stages.conversion import pixel_levels
from tests.converters.rewriting.running import graph_of, on_our_operators

SIZE = 16
IMAGES = np.random.default_rng(0).uniform(-1, 1, (24, SIZE, SIZE, 3)).astype(np.float32)


def layers() -> list[Any]:
    import tensorflow as tf

    return [
        tf.keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
        tf.keras.layers.BatchNormalization(),
        tf.keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(4, activation="softmax", kernel_initializer=tf.keras.initializers.RandomNormal(0, 0.2)),
    ]


def functional(path: Path) -> Path:
    import tensorflow as tf

    image = x = tf.keras.Input((SIZE, SIZE, 3))
    for layer in layers():
        x = layer(x)
    return saved(tf.keras.Model(image, x), path / "functional.keras")


def sequential(path: Path) -> Path:
    import tensorflow as tf

    return saved(tf.keras.Sequential([tf.keras.Input((SIZE, SIZE, 3)), *layers()]), path / "sequential.h5")


def subclassed(path: Path) -> Path:
    import tensorflow as tf

    class Subclassed(tf.keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.steps = layers()

        def call(self, images: Any) -> Any:
            for step in self.steps:
                images = step(images)
            return images

    model = Subclassed()
    model(IMAGES[:1])
    return saved(model, path / "subclassed")


def keras_3() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.DepthwiseConv2D(3, strides=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, "softmax", kernel_initializer=keras.initializers.RandomNormal(0, 0.2)),
        ]
    )


def of_keras_3(path: Path) -> Path:
    return saved(keras_3(), path / "of-keras-3.keras")


def exported(path: Path) -> Path:
    keras_3().export(str(path / "exported"))
    return path / "exported"


def larq_model(path: Path) -> Path:
    import larq as lq
    import tensorflow as tf

    binary = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    image = tf.keras.Input((SIZE, SIZE, 3))
    x = tf.keras.layers.BatchNormalization()(tf.keras.layers.Conv2D(32, 3, padding="same")(image))
    x = lq.layers.QuantConv2D(32, 3, padding="same", pad_values=1, use_bias=False, **binary)(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(tf.keras.layers.BatchNormalization()(x))
    x = tf.keras.layers.Dense(4, kernel_initializer=tf.keras.initializers.RandomNormal(0, 2))(x)
    return saved(tf.keras.Model(image, tf.keras.layers.Softmax()(x)), path / "larq.h5")


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {
    "functional": functional,
    "sequential": sequential,
    "subclassed": subclassed,
    "keras 3": of_keras_3,
    "exported": exported,
    "larq": larq_model,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each model, written to its file and read back as a run reads it."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("models")
    return {name: load_model(own_model(name, make(folder))) for name, make in MAKERS.items()}


def own_model(name: str, path: Path) -> Model:
    family = BINARIZED if name == "larq" else FULL_PRECISION
    return Model(name=name, family=family, preprocessing=minus_one_to_one(SIZE), classes=4, weights=str(path))


CALIBRATION = Calibration(images=lambda: iter(IMAGES), levels=pixel_levels(minus_one_to_one(SIZE)))


def scores(content: bytes, path: Path) -> np.ndarray:
    (path / "artifact.tflite").write_bytes(content)
    engine = runtimes.load(str(path / "artifact.tflite"))
    return np.concatenate([_scores(engine, image[None]) for image in IMAGES])


def in_steps(values: np.ndarray, tensor: runtimes.Tensor) -> np.ndarray:
    if not tensor.scale:
        return values
    return np.clip(np.round(values / tensor.scale) + tensor.zero_point, -128, 127).astype(tensor.dtype)


def _scores(engine: Any, image: np.ndarray) -> np.ndarray:
    engine.set_inputs([in_steps(image, engine.inputs[0])])
    engine.invoke()
    decoded: np.ndarray = engine.outputs[0].decode(engine.get_outputs()[0]).copy()
    return decoded


CASES = [
    (maker, name)
    for maker in MAKERS
    for name, spec in FORMATS.items()
    if (BINARIZED if maker == "larq" else FULL_PRECISION) in spec.families
]


@pytest.mark.parametrize(("maker", "name"), CASES)
def test_own_model_keeps_its_opinion_in_every_format_that_fits(
    maker: str, name: str, models: dict[str, Any], tmp_path: Path
) -> None:
    if name == "lce-original":
        pytest.importorskip("larq_compute_engine")
    spec, model = FORMATS[name], models[maker]
    content = resolve(spec.convert)(model, CALIBRATION)
    content = resolve(spec.finish)(content) if spec.finish else content
    artifact = on_our_operators(content, IMAGES) if spec.operators == "lce" else scores(content, tmp_path)
    assert artifact.shape == (len(IMAGES), 4)
    fidelity = compare(Answers(scores=model(IMAGES).numpy()), Answers(scores=artifact))
    if not spec.restriction:
        assert fidelity.verdict(suspect_below=spec.suspect_below, suspect_above=spec.suspect_above) == ("ok", "")


def test_int8_ends_take_and_give_bytes(models: dict[str, Any], tmp_path: Path) -> None:
    content = with_int8_ends(int8(models["functional"], CALIBRATION))
    (tmp_path / "artifact.tflite").write_bytes(content)
    engine = runtimes.load(str(tmp_path / "artifact.tflite"))
    assert [tensor.dtype for tensor in (*engine.inputs, *engine.outputs)] == [np.int8, np.int8]


def test_float_artifact_cannot_get_int8_ends(models: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="could not be made int8"):
        with_int8_ends(fp32(models["functional"]))


def fake_quantized() -> Any:
    """A model as quantization-aware training leaves it: fake quantization around full-precision layers."""
    import larq as lq
    import tensorflow as tf

    class Ranges(tf.keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(x, -4.0, 4.0)

    class Convolution(tf.keras.layers.Conv2D):
        def call(self, x: Any) -> Any:
            kernel = tf.quantization.fake_quant_with_min_max_vars(self.kernel, -0.5, 0.5, narrow_range=True)
            return tf.nn.bias_add(tf.nn.conv2d(x, kernel, self.strides, "SAME"), self.bias)

    image = tf.keras.Input((SIZE, SIZE, 3))
    x = Ranges()(Convolution(32, 3)(Ranges()(image)))
    x = lq.layers.QuantConv2D(
        32, 3, padding="same", pad_values=1, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False
    )(x)
    x = Ranges()(tf.keras.layers.GlobalAveragePooling2D()(Ranges()(tf.keras.layers.BatchNormalization()(x))))
    return tf.keras.Model(image, tf.keras.layers.Softmax()(x))


def test_trained_ranges_are_recognised_and_used_instead_of_the_defaults(models: dict[str, Any]) -> None:
    model = fake_quantized()
    assert has_trained_ranges(model)
    assert not has_trained_ranges(models["larq"])
    assert input_scale(lce_int8(model)) == pytest.approx(8 / 255)
    assert input_scale(lce_int8(models["larq"])) == pytest.approx(6 / 255)


def input_scale(content: bytes) -> float:
    """Of the integers that the image becomes first."""
    first = graph_of(content).operators[0]
    assert first.name == "QUANTIZE"
    return float(first.output.quantization.scale[0])


@pytest.mark.parametrize("convert", [fp32, lce])
def test_layer_with_an_operator_that_no_runtime_has_is_named(convert: Callable[[Any], bytes]) -> None:
    import tensorflow as tf

    class Inverse(tf.keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.linalg.inv(x)

    image = tf.keras.Input((8, 8, 3))
    x = tf.keras.layers.Permute((3, 1, 2))(image)
    x = tf.keras.layers.Flatten()(Inverse(name="strange")(x))
    with pytest.raises(ConversionError, match='layer "strange" uses MatrixInverse') as caught:
        convert(tf.keras.Model(image, tf.keras.layers.Dense(3)(x)))
    assert "replace the layer" in caught.value.hint
