"""What strangers' models are fed: pictures of any aspect, and the normalization that they were trained with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from device.preprocessing import preprocess
from harness.datasets.geometry import fit_image, fit_mask
from harness.errors import ConfigError
from harness.models.catalogue import CATALOGUE
from harness.models.declared import Declared
from harness.models.own_preprocessing import own_preprocessing
from tests.harness.strangers.inputs import brightest_quarter, completed, pictures, probabilities, top1

BOTH = ["tf_keras", "keras"]
SQUARE = (32, 32, 3)


def kerased(name: str) -> Any:
    return importlib.import_module(name)


def saved(model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "mine.keras"
    model.save(path)
    return path


# --------------------------------------------------------------------------------------- pictures of another aspect
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((32, 64, 3), (128, 256)),  # as wide as the pictures are
        ((64, 32, 3), (256, 128)),  # as tall
        ((32, 64, 3), (64, 128)),
        ((16, 80, 3), (50, 240)),  # wider than the pictures, which lose rows alone
    ],
)
def test_a_model_that_is_not_square_sees_the_whole_picture(
    tmp_path: Path, shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    keras = kerased("tf_keras")
    images = pictures((*size, 3))
    done = completed(saved(brightest_quarter(keras, shape), tmp_path), images)
    assert top1(done, images) == 1.0


@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.tuples(st.integers(1, 90), st.integers(1, 90)))
def test_a_crop_loses_of_one_side_alone(height: int, width: int, size: tuple[int, int]) -> None:
    """Columns numbered by their grey value: those that are cut at the sides are missing, and no row is."""
    record = {"height": height, "width": width, "resize": None, "mean": [0.0]}
    columns = np.broadcast_to(np.arange(size[1], dtype=np.uint8)[:, None] * 2, (*size, 1))
    rows = np.broadcast_to(np.arange(size[0], dtype=np.uint8)[:, None, None] * 2, (*size, 1))
    record["interpolation"] = "nearest"
    across, down = fit_image(columns, record)[0, :, 0] / 2, fit_image(rows, record)[:, 0, 0] / 2
    factor = max(height / size[0], width / size[1])
    lost_rows, lost_columns = size[0] - height / factor, size[1] - width / factor
    assert min(lost_rows, lost_columns) < 1
    assert abs(across[0] - lost_columns / 2) <= 1 + 1 / factor
    assert abs(down[0] - lost_rows / 2) <= 1 + 1 / factor


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("nearest", "nearest"),  # what flow_from_directory does by default
        ("bilinear", "bilinear"),
        ("bicubic", "bicubic"),
        ("area", "box"),
        ("lanczos", "lanczos"),
    ],
)
def test_squashed_pictures_are_those_of_keras_to_the_bit(tmp_path: Path, ours: str, theirs: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 150, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "picture.png")
    record = {"height": 32, "width": 48, "resize": None, "fit": "squash", "interpolation": ours, "mean": [0.0] * 3}
    keras = kerased("tf_keras")
    expected = keras.utils.load_img(tmp_path / "picture.png", target_size=(32, 48), interpolation=theirs)
    np.testing.assert_array_equal(fit_image(image, record), np.asarray(expected))


@pytest.mark.parametrize("size", [(90, 150), (150, 90), (20, 20)])
def test_padded_pictures_stand_whole_on_the_colour_that_was_said(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    record = {"height": 30, "width": 30, "resize": None, "fit": "pad", "pad_colour": [9, 8, 7], "mean": [0.0] * 3}
    expected = ImageOps.pad(Image.fromarray(image), (30, 30), Image.Resampling.BILINEAR, color=(9, 8, 7))
    np.testing.assert_array_equal(fit_image(image, record), np.asarray(expected))


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(40, 100), (100, 40)])
def test_a_mask_goes_where_its_image_goes(fit: str, size: tuple[int, int]) -> None:
    mask = np.zeros(size, bool)
    mask[10:30, 12:32] = True
    record = {"height": 20, "width": 30, "resize": None, "fit": fit, "interpolation": "nearest", "mean": [0.0]}
    np.testing.assert_array_equal(
        fit_mask(mask, record), fit_image(mask[..., None] * np.uint8(255), record)[..., 0] > 0
    )


def test_a_shorter_side_that_was_said_means_what_it_did(tmp_path: Path) -> None:
    done = completed(saved(brightest_quarter(kerased("tf_keras"), SQUARE), tmp_path), pictures(SQUARE), resize=40)
    assert done.model.preprocessing == {**CATALOGUE["cifar-float"].preprocessing, "resize": 40}
    image = np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((64, 40), Image.Resampling.BILINEAR))[4:36, 16:48]
    np.testing.assert_array_equal(fit_image(image, done.model.preprocessing), expected)


def test_a_shorter_side_of_which_the_input_cannot_be_cut_is_a_sentence() -> None:
    record = {"height": 32, "width": 64, "resize": 40, "mean": [0.0] * 3}
    with pytest.raises(ConfigError, match=r"image: 100x100 pixels become 40x40 .* of which 64x32 cannot be cut"):
        fit_image(np.zeros((100, 100, 3), np.uint8), record)


# -------------------------------------------------------------------------------------------------- normalization
@pytest.mark.parametrize("mode", ["caffe", "torch", "tf"])
def test_presets_are_those_of_keras_applications(tmp_path: Path, mode: str) -> None:
    keras = kerased("tf_keras")
    done = completed(saved(brightest_quarter(keras, SQUARE), tmp_path), pictures(SQUARE), normalization=mode)
    images = np.random.default_rng(0).integers(0, 256, (2, *SQUARE), dtype=np.uint8)
    expected = keras.applications.imagenet_utils.preprocess_input(images.astype(np.float32), mode=mode)
    np.testing.assert_allclose(preprocess(images, done.model.preprocessing), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("normalization", "factor"), [("unit", 1 / 255), ("none", 1.0)])
def test_pixels_are_divided_by_255_or_left_alone(tmp_path: Path, normalization: str, factor: float) -> None:
    path = saved(brightest_quarter(kerased("tf_keras"), SQUARE), tmp_path)
    done = completed(path, pictures(SQUARE), normalization=normalization)
    images = pictures(SQUARE)
    np.testing.assert_allclose(preprocess(images, done.model.preprocessing), images * factor, rtol=1e-6)


def test_the_default_is_said_since_nobody_can_know_it(tmp_path: Path) -> None:
    done = completed(saved(brightest_quarter(kerased("tf_keras"), SQUARE), tmp_path), pictures(SQUARE))
    assert "input = (pixels - 127.5) / 127.5 by default, which no file says (`normalization` changes it)" in done.said
    assert done.model.preprocessing == CATALOGUE["cifar-float"].preprocessing  # whose key stays what it was


# ------------------------------------------------------------------------------ models that prepare pixels themselves
def rescaling(keras: Any) -> Any:
    return keras.layers.Rescaling(1 / 127.5, offset=-1)


def normalization(keras: Any) -> Any:
    return keras.layers.Normalization(mean=[120.0, 110, 100], variance=[3000.0, 2900, 2800])


def adapted(keras: Any) -> Any:
    layer = keras.layers.Normalization()
    layer.adapt(pictures(SQUARE).astype(np.float32))
    return layer


def nested(keras: Any) -> Any:
    return keras.Sequential(
        [keras.layers.Resizing(32, 32), keras.layers.RandomFlip(), keras.layers.Rescaling(1 / 255)], name="preparation"
    )


def division(keras: Any) -> Callable[[Any], Any]:
    return lambda image: image / 255.0


def flattened(keras: Any) -> Callable[[Any], Any]:
    def before(image: Any) -> Any:
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(keras.layers.Flatten()(image))
        return keras.layers.Reshape(SQUARE)(x)

    return before


def chain(keras: Any) -> Callable[[Any], Any]:
    return lambda image: (keras.layers.ZeroPadding2D(0)(image) - 127.5) * (1 / 127.5)


def caffe(keras: Any) -> Callable[[Any], Any]:
    return lambda image: keras.applications.resnet50.preprocess_input(image)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("before", "black", "white"),
    [
        (rescaling, -1.0, 1.0),
        (normalization, -120 / 3000**0.5, 155 / 2800**0.5),
        (adapted, -80 / 4800**0.5, 175 / 4800**0.5),  # a quarter is 200, the rest 40
        (nested, 0.0, 1.0),
        (division, 0.0, 1.0),
        (chain, -1.0, 1.0),
        (flattened, -1.0, 1.0),
        (caffe, -123.68, 255 - 103.939),
    ],
)
def test_what_a_model_does_itself_is_found_by_what_it_does(
    name: str, before: Callable[[Any], Any], black: float, white: float
) -> None:
    keras = kerased(name)
    own = own_preprocessing(brightest_quarter(keras, SQUARE, before=before(keras)))
    assert own.scales
    assert (own.low, own.high) == pytest.approx((black, white), abs=1e-3)
    assert bool(own.reorders) is (before is caffe)


@pytest.mark.parametrize(
    ("name", "file", "before"),
    [
        ("tf_keras", "m.h5", nested),
        ("keras", "m.keras", division),
        ("keras", "m", rescaling),
        ("keras", "m", flattened),
    ],
)
def test_what_a_model_does_itself_is_not_done_twice(
    tmp_path: Path, name: str, file: str, before: Callable[[Any], Any]
) -> None:
    keras, images = kerased(name), pictures(SQUARE)
    model = brightest_quarter(keras, SQUARE, before=before(keras))
    model.save(tmp_path / file) if "." in file else model.export(tmp_path / file, verbose=False)
    done = completed(tmp_path / file, images)
    assert "it scales pixels itself" in done.said
    assert "input = pixels since it does so itself" in done.said
    expected = np.asarray(model(images.astype(np.float32), training=False))
    np.testing.assert_allclose(probabilities(done, images), expected, atol=1e-6)
    with pytest.raises(ConfigError, match=r'scales pixels itself .* would do so again\n  try: normalization = "none"'):
        completed(tmp_path / file, images, normalization="unit")
    twice = completed(tmp_path / file, images, normalization="unit", on_top=True)
    expected = np.asarray(model(images.astype(np.float32) / 255, training=False))
    np.testing.assert_allclose(probabilities(twice, images), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["tf_keras", pytest.param("keras", marks=pytest.mark.slow)])
def test_an_efficientnet_takes_raw_pixels(name: str) -> None:
    own = own_preprocessing(kerased(name).applications.EfficientNetB0(weights=None, input_shape=SQUARE, classes=5))
    assert own.scales
    assert own.low == 0.0  # without weights its normalization is that of nothing
    assert own.high == pytest.approx(1.0)


@pytest.mark.parametrize("name", BOTH)
def test_what_leaves_pixels_alone_is_no_preparation(name: str) -> None:
    keras = kerased(name)

    def before(image: Any) -> Any:
        x = keras.layers.Dropout(0.2)(keras.layers.RandomFlip()(image))
        return keras.layers.ReLU()(keras.layers.Rescaling(1.0)(x))

    own = own_preprocessing(brightest_quarter(keras, SQUARE, before=before))
    assert str(own) == ""


def test_a_batch_normalization_at_the_input_is_a_remark(tmp_path: Path) -> None:
    keras = kerased("tf_keras")
    model = brightest_quarter(keras, SQUARE, before=keras.layers.BatchNormalization())
    done = completed(saved(model, tmp_path), pictures(SQUARE))
    assert "starts with a batch normalization, which may expect raw pixels" in done.said


def test_channels_that_a_model_turns_around_are_not_turned_again(tmp_path: Path) -> None:
    keras = kerased("keras")
    model = brightest_quarter(keras, SQUARE, before=lambda image: image[..., ::-1])
    path = saved(model, tmp_path)
    with pytest.raises(ConfigError, match=r"reverses the order of channels .* do so again"):
        completed(path, pictures(SQUARE), channel_order="bgr")
    assert "reverses the order of channels" in completed(path, pictures(SQUARE)).said


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"normalization": "unit", "mean": (0.0,)}, 'expected mean and scale or normalization = "unit", got both'),
        ({"normalization": "caffe", "channel_order": "rgb"}, "takes blue first"),
        ({"mean": (0.0,) * 3, "scale": (1.0,) * 2}, "as many numbers in scale as in mean"),
        ({"fit": "squash", "resize": 256}, "resize is the shorter side of a picture before it is cropped"),
        ({"pad_colour": (0,)}, 'pad_colour fills what fit = "pad" leaves'),
    ],
)
def test_what_contradicts_itself_is_a_sentence(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Declared(**said).check("mine")
