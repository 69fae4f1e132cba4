"""Pixels as integers: what strangers' preprocessing, data and artifacts make of them, and that no coin is tossed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.input_range import tied_levels
from converters.tflite import Calibration, int8, with_int8_ends
from device import runtimes
from device.flatbuffer import prefix
from device.inference import Inference
from device.preprocessing import preprocess
from device.runtimes import Tensor
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.stages.conversion import _notes, pixel_levels
from harness.store.units import Unit

SIZE = 16
ARTIFACTS = Path(__file__).parents[2] / "device" / "artifacts"
PREPROCESSING: dict[str, tuple[str, list[float], list[float]]] = {
    "minus one to one": ("rgb", [127.5] * 3, [1 / 127.5] * 3),
    "caffe": ("bgr", [103.939, 116.779, 123.68], [1.0] * 3),
    "torch": ("rgb", [123.675, 116.28, 103.53], [1 / 58.395, 1 / 57.12, 1 / 57.375]),
    "unit": ("rgb", [0.0] * 3, [1 / 255] * 3),
    "raw": ("rgb", [0.0] * 3, [1.0] * 3),
    "grey": ("rgb", [127.5], [1 / 127.5]),
    "four channels": ("rgb", [127.5, 100.0, 0.0, 3.5], [1 / 127.5, 1 / 40, 1 / 255, 1 / 99]),
}
TWINS = ("planted-float", "cifar-float")


def record_of(name: str, size: int = SIZE) -> dict[str, Any]:
    order, mean, scale = PREPROCESSING[name]
    return {"height": size, "width": size, "channel_order": order, "mean": mean, "scale": scale}


def all_pixels(record: dict[str, Any]) -> np.ndarray:
    """Images (N, H, W, C) with each of the 256 values in each channel."""
    size, channels = record["height"] * record["width"], len(record["mean"])
    values = np.resize(np.arange(256, dtype=np.uint8), max(size, 256))
    return np.repeat(values, channels).reshape(-1, record["height"], record["width"], channels)


def images_of(record: dict[str, Any], *, brightest: int = 255) -> np.ndarray:
    shape = (8, record["height"], record["width"], len(record["mean"]))
    return np.random.default_rng(0).integers(0, brightest + 1, shape).astype(np.uint8)


def small_model(channels: int, *before: Any) -> Any:
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    body = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(3), layers.Softmax()]
    return tf_keras.Sequential([tf_keras.Input((SIZE, SIZE, channels)), *before, *body])


def converted(model: Any, record: dict[str, Any], *, brightest: int = 255) -> bytes:
    images = images_of(record, brightest=brightest)
    return int8(model, Calibration(images=lambda: iter(preprocess(images, record)), levels=pixel_levels(record)))


@cache
def artifact(name: str) -> tuple[bytes, dict[str, Any]]:
    """As int8, with its preprocessing: of one of our trained twins, or a small model with somebody's preprocessing."""
    if name in TWINS:
        record = CATALOGUE[name].preprocessing
        return converted(load_model(catalogue_model(name, CATALOGUE[name])), record), record
    record = record_of(name)
    return converted(small_model(len(record["mean"])), record), record


def engine_of(content: bytes, folder: Path, *, runtime: str = "auto") -> Any:
    (folder / "artifact.tflite").write_bytes(content)
    return runtimes.load(str(folder / "artifact.tflite"), runtime=runtime)


def one_bit_off(values: np.ndarray) -> Iterator[np.ndarray]:
    yield values
    for towards in (np.inf, -np.inf):
        yield np.nextafter(values, np.float32(towards))


@pytest.mark.parametrize("name", [*TWINS, *PREPROCESSING])
def test_the_last_bit_of_a_float_changes_no_integer_of_an_artifact_of_ours(name: str, tmp_path: Path) -> None:
    """However a board divides and rounds, and by the runtime's own QUANTIZE too, it gets what our table says."""
    content, record = artifact(name)
    images = all_pixels(record)
    source = engine_of(with_int8_ends(content), tmp_path).inputs[0]
    expected = source.encode(images, record)
    scale = np.float32(source.scale)
    quantize = engine_of(prefix(content, 1), tmp_path)
    for values in one_bit_off(preprocess(images, record)):
        for divided in (values / scale, values * (np.float32(1) / scale), values.astype(float) / float(scale)):
            for rounded in (np.round(divided), np.sign(divided) * np.floor(np.abs(divided) + 0.5)):
                assert (np.clip(rounded + source.zero_point, -128, 127) == expected).all()
        for image, integers in zip(values, expected):
            quantize.set_inputs([image[None]])
            quantize.invoke()
            assert (quantize.get_outputs()[0][0] == integers).all()


@pytest.mark.parametrize("name", [*TWINS, *PREPROCESSING])
def test_nothing_is_noted_of_an_artifact_without_ties(name: str) -> None:
    content, record = artifact(name)
    assert tied_levels(content, pixel_levels(record)) == 0
    assert notes(content, record) == []


def notes(content: bytes, record: dict[str, Any], *, restriction: str = "") -> list[str]:
    unit = Unit(kind="conversion", spec={"model": {"preprocessing": record}, "format": "int8"}, needs={})
    return list(_notes(content, unit, restriction))


TIED = (
    "765 of 768 pixel values lie halfway between two steps of the int8 input: "
    "how they are rounded may differ between runtimes"
)  # black is clipped


def test_a_strangers_artifact_all_of_whose_pixels_are_ties_says_so_and_its_pixels_stay_apart() -> None:
    """TFLite's own choice for -1 to 1: scale 2/255 and zero point -1."""
    record = record_of("minus one to one", 8)
    assert notes((ARTIFACTS / "int8.tflite").read_bytes(), record) == [TIED]
    source = runtimes.load(str(ARTIFACTS / "int8.tflite")).inputs[0]
    assert (source.scale, source.zero_point) == (np.float32(2 / 255), -1)
    images = all_pixels(record)
    assert (source.encode(images, record) == images.astype(int) - 128).all()


def test_a_model_trained_with_its_own_range_keeps_it_and_its_ties_are_counted() -> None:
    """A trained range of -1 to 1 has steps of one pixel value, and the mean lies between two."""
    import tensorflow as tf
    import tf_keras

    ranged = tf_keras.layers.Lambda(lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -1.0, 1.0))
    record = record_of("minus one to one")
    content = converted(small_model(3, ranged), record)
    assert notes(content, record) == [TIED]
    assert notes(content, record, restriction="latency only: its predictions mean nothing") == []


def test_a_model_that_pads_or_scales_by_itself_has_no_ties_either() -> None:
    import tf_keras

    layers = tf_keras.layers
    for name, before in (("minus one to one", layers.ZeroPadding2D(1)), ("raw", layers.Rescaling(1 / 127.5, -1))):
        record = record_of(name)
        content = converted(small_model(3, before), record)
        assert tied_levels(content, pixel_levels(record)) == 0
        assert notes(content, record) == []


def test_raw_pixels_become_themselves_less_128(tmp_path: Path) -> None:
    content, record = artifact("raw")
    source = engine_of(with_int8_ends(content), tmp_path).inputs[0]
    images = all_pixels(record)
    assert (source.encode(images, record) == images.astype(int) - 128).all()


def test_calibration_on_dark_pictures_makes_steps_finer_and_no_ties(tmp_path: Path) -> None:
    record = record_of("minus one to one")
    content = with_int8_ends(converted(small_model(3), record, brightest=40))
    source = engine_of(content, tmp_path).inputs[0]
    assert tied_levels(content, pixel_levels(record)) == 0
    dark = np.arange(41)
    expected = np.clip(2 * dark - 255 + source.zero_point, -128, 127)  # steps of 1/255: half a pixel value
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    image[0, :3].reshape(-1, 3)[:41] = dark[:, None]
    assert source.encode(image, record)[0].reshape(-1, 3)[:41, 0].tolist() == expected.tolist()


class Unscaled:
    """A stranger's artifact that takes bare uint8 pixels and gives them back."""

    inputs = (Tensor("pixels", (1, 2, 2, 1), np.dtype(np.uint8), 0.0, 0),)
    outputs = (Tensor("scores", (1, 4), np.dtype(np.uint8), 0.0, 0),)

    def set_inputs(self, arrays: list[np.ndarray]) -> None:
        self._given = arrays

    def invoke(self) -> None:
        pass

    def get_outputs(self) -> list[np.ndarray]:
        return [array.reshape(1, -1) for array in self._given]


GREY = np.array([[[[0], [1]], [[254], [255]]]], np.uint8)


def test_an_integer_input_without_a_scale_takes_pixels_as_they_are() -> None:
    record = {"height": 2, "width": 2, "channel_order": "rgb", "mean": [0.0], "scale": [1.0]}
    scores = Inference(Unscaled(), record).scores(GREY, lambda event: None)
    assert scores.tolist() == [[0.0, 1.0, 254.0, 255.0]]


@pytest.mark.parametrize(("mean", "scale"), [(127.5, 1 / 127.5), (0.0, 1 / 255), (10.0, 1.0)])
def test_an_integer_input_without_a_scale_refuses_a_preprocessing_that_it_cannot_hold(
    mean: float, scale: float
) -> None:
    record = {"height": 2, "width": 2, "channel_order": "rgb", "mean": [mean], "scale": [scale]}
    with pytest.raises(ValueError, match='input "pixels" takes uint8 without a scale: expected a preprocessing that'):
        Inference(Unscaled(), record).scores(GREY, lambda event: None)
