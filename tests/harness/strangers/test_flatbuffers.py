"""Somebody else's `.tflite`: what its file says of pixels, classes and outputs, and what is refused or said."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.datasets.dataset import Dataset
from harness.datasets.dataset_kinds import open_dataset
from harness.errors import ConfigError
from harness.models.catalogue import Model
from harness.models.completion import Completed, complete
from harness.models.declared import NORMALIZATIONS, Declared
from harness.models.flatbuffer_model import FlatbufferModel
from tests.harness.strangers.inputs import QUARTERS, brightest_quarter, completed, pictures, top1
from tests.harness.strangers.tflite_files import (
    METADATA,
    SHAPE,
    converted,
    quarters,
    with_background,
    with_metadata,
    written,
)

ARTIFACTS = Path(__file__).parents[2] / "device" / "artifacts"
RANGES = {"tf": (-1.0, 1.0), "none": (0.0, 255.0)}
NAMES = ["west", "mid-west", "mid-east", "east"]
file_of = cache(quarters)


def record_of(done: Completed) -> tuple[list[float], list[float]]:
    return done.model.preprocessing["mean"], done.model.preprocessing["scale"]


def pixels_of(name: str) -> np.ndarray:
    """What the three channels of a preset make of each pixel value."""
    preset = NORMALIZATIONS[name]
    return (np.arange(256.0)[:, None] - np.array(preset.mean)) * np.array(preset.scale) * np.ones(3)


def made_by(done: Completed) -> np.ndarray:
    mean, scale = record_of(done)
    return (np.arange(256.0)[:, None] - mean) * scale


@pytest.mark.parametrize(("name", "kind"), [("tf", "int8"), ("none", "uint8")])
def test_the_range_of_a_small_integer_input_says_what_becomes_of_pixels(name: str, kind: str, tmp_path: Path) -> None:
    low, high = RANGES[name]
    done = completed(written(tmp_path, file_of(kind, low=low, high=high)), pictures(SHAPE))
    step = (high - low) / 255
    assert np.abs(made_by(done) - pixels_of(name)).max() <= 0.51 * step
    assert f"by the range of its {kind} input, which holds" in done.said
    assert top1(done, pictures(SHAPE)) == 1.0


def test_the_range_of_an_int16_input_says_it_too(tmp_path: Path) -> None:
    done = completed(written(tmp_path, file_of("int16")), pictures(SHAPE))
    assert np.allclose(made_by(done), pixels_of("tf"))
    assert top1(done, pictures(SHAPE)) == 1.0


def test_a_float_file_without_metadata_gets_the_default_and_says_so(tmp_path: Path) -> None:
    done = completed(written(tmp_path, file_of()), pictures(SHAPE))
    assert np.allclose(made_by(done), pixels_of("tf"))
    assert "input = (pixels - 127.5) / 127.5 by default, which no file says" in done.said
    assert (done.model.classes, done.model.output, done.model.is_flatbuffer) == (4, "probabilities", True)


@pytest.mark.parametrize("name", ["torch"])
def test_metadata_says_what_becomes_of_the_pixels_of_a_float_file(name: str, tmp_path: Path) -> None:
    done = completed(written(tmp_path, with_metadata(file_of(), METADATA[name])), pictures(SHAPE))
    assert np.allclose(made_by(done), pixels_of(name), atol=1e-5)
    assert "as its metadata says (`normalization` changes it)" in done.said


def test_metadata_that_a_quantized_input_contradicts_is_not_followed_and_that_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, with_metadata(file_of("uint8", low=0.0, high=255.0), METADATA["tf"]))
    done = completed(path, pictures(SHAPE))
    assert np.allclose(made_by(done), pixels_of("none"))
    assert "its metadata is not followed, which makes -1 to 1 of pixels" in done.said


@pytest.mark.parametrize("name", ["none"])
def test_a_normalization_that_a_quantized_input_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, file_of("int8"))
    with pytest.raises(ConfigError, match="the file was made for its int8 input, which holds -"):
        completed(path, pictures(SHAPE), normalization=name)
    assert completed(path, pictures(SHAPE), normalization=name, on_top=True).model.preprocessing["scale"]


def test_operators_in_front_of_a_float_file_are_found_by_what_they_do(tmp_path: Path) -> None:
    """An AveragePooling follows, into which no converter folds them."""
    import tf_keras

    scaled = brightest_quarter(tf_keras, SHAPE, before=tf_keras.layers.Rescaling(1 / 127.5, -1))
    done = completed(written(tmp_path, converted(scaled)), pictures(SHAPE))
    assert np.allclose(made_by(done), pixels_of("none"))
    assert "it scales pixels itself (MUL, ADD, 0 to 255 becomes -1 to 1)" in done.said


@pytest.mark.parametrize("kind", ["float32", "int16"])
def test_a_file_gives_what_its_keras_model_gives_in_its_own_steps(kind: str, tmp_path: Path) -> None:
    import tf_keras

    done = completed(written(tmp_path, file_of(kind)), pictures(SHAPE))
    inputs = (pictures(SHAPE).astype(np.float32) - 127.5) / 127.5
    expected = np.asarray(brightest_quarter(tf_keras, SHAPE)(inputs))
    assert isinstance(done.keras_model, FlatbufferModel)
    assert np.abs(done.keras_model(inputs) - expected).max() < (1e-5 if kind == "float32" else 0.02)


def test_probabilities_of_8_bits_that_sum_to_much_less_than_1_are_probabilities(tmp_path: Path) -> None:
    """As of a thousand classes: by their sum they would be those of independent classes."""
    import tf_keras

    image = tf_keras.Input(SHAPE)
    flat = tf_keras.layers.Flatten()(tf_keras.layers.AveragePooling2D(SHAPE[0])(image))
    model = tf_keras.Model(image, tf_keras.layers.Dense(300, activation="softmax")(flat))
    done = completed(written(tmp_path, converted(model, "int8")), pictures(SHAPE))
    inputs = (pictures(SHAPE).astype(np.float32) - 127.5) / 127.5
    assert np.abs(done.keras_model(inputs).sum(1) - 1).min() > 0.1
    assert done.model.output == "probabilities"
    with pytest.raises(ConfigError, match="contradicted by its file, whose last operator makes probabilities"):
        complete(
            Model(name="m", family="", preprocessing={}, classes=0, weights=str(tmp_path / "theirs.tflite"),
                  output="logits", declared=Declared()),
            [("image 0", pictures(SHAPE)[0])],
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ labels and classes
def dataset(folder: Path, *, shuffled: bool = False, copies: int = 3) -> Dataset:
    images = np.repeat(pictures(SHAPE), copies, axis=0)
    labels = np.repeat(np.arange(QUARTERS), copies)
    if shuffled:
        labels = np.resize([3, 0, 2, 1, 1], len(labels))
    np.savez(folder / "data.npz", test_images=images, test_labels=labels)
    return open_dataset("npz", path=str(folder / "data.npz"), seed=0)


def of_labels(path: Path, data: Dataset, **said: Any) -> Completed:
    model = Model(
        name="theirs",
        family="",
        preprocessing={},
        classes=0,
        weights=str(path),
        output="",
        declared=Declared(**said),
    )
    return complete(model, [(f"image {i}", image) for i, image in enumerate(pictures(SHAPE))], data)


def test_a_background_class_is_found_by_right_answers(tmp_path: Path) -> None:
    done = of_labels(written(tmp_path, with_background()), dataset(tmp_path))
    assert (done.model.class_map, done.model.classes) == ((1, 2, 3, 4), 4)
    assert "each label is one class further: 12 of 12 pictures are right so, and 0 otherwise" in done.said
    assert "its file says input 16x16x3, 5 classes" in done.said


def test_a_background_class_is_found_by_the_names_of_metadata(tmp_path: Path) -> None:
    content = with_metadata(with_background("uint8"), METADATA["tf"], ["background", *NAMES])
    done = of_labels(written(tmp_path, content), dataset(tmp_path, shuffled=True))
    assert done.model.class_map == (1, 2, 3, 4)
    assert 'class 0 is "background", as its metadata says' in done.said


def test_a_class_more_of_which_nobody_can_tell_what_it_is_is_refused_with_both_ways(tmp_path: Path) -> None:
    path, data = written(tmp_path, with_background()), dataset(tmp_path, shuffled=True)
    with pytest.raises(ConfigError, match="it is unknown whether its class 0") as error:
        of_labels(path, data)
    assert "background_class = true" in str(error.value)
    assert of_labels(path, data, background=True).model.class_map == (1, 2, 3, 4)
    assert of_labels(path, data, background=False).model.class_map is None


def test_classes_in_another_order_are_found_by_their_names(tmp_path: Path) -> None:
    from PIL import Image

    for label, image in enumerate(pictures(SHAPE)):
        for split in ("train", "test"):
            (tmp_path / "photos" / split / NAMES[label]).mkdir(parents=True)
            Image.fromarray(image).save(tmp_path / "photos" / split / NAMES[label] / "0.png")
    data = open_dataset("image-folder", path=str(tmp_path / "photos"), seed=0)
    done = of_labels(written(tmp_path, with_metadata(file_of(), METADATA["tf"], NAMES)), data)
    assert done.model.class_map == tuple(NAMES.index(name) for name in data.class_names)
    assert "each label is the class of its name in the file's metadata" in done.said


@pytest.mark.parametrize(
    ("class_map", "sentence"),
    [((0, 1, 2, 4), "expected classes 0 to 3, got 4"), ((0, 1, 1, 2), "got 1 more than once")],
)
def test_a_class_map_that_cannot_be_is_refused(class_map: tuple[int, ...], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        of_labels(written(tmp_path, file_of()), dataset(tmp_path), class_map=class_map)


# ------------------------------------------------------------------------------------------------ what is no classifier
def other_models() -> dict[str, tuple[Any, str]]:
    """Models that give no class scores, and what is said of them."""
    import tf_keras

    layers = tf_keras.layers
    image = tf_keras.Input(SHAPE)
    maps = layers.Conv2D(4, 3)(image)
    flat = layers.Flatten()(maps)
    second = tf_keras.Input((3,))
    return {
        "segmentation": (
            tf_keras.Model(image, maps),
            r"its output float32 \(1, 14, 14, 4\) is not one score for each class",
        ),
        "boxes": (tf_keras.Model(image, [flat, maps]), "it gives 2 outputs and not the scores of classes alone"),
        "two inputs": (
            tf_keras.Model([image, second], layers.Concatenate()([flat, second])),
            "it takes 2 inputs and not one image",
        ),
        "vectors": (tf_keras.Model(second, layers.Dense(4)(second)), r"its input is not an image but float32 \(1, 3\)"),
        "channels first": (
            tf_keras.Sequential([tf_keras.Input((3, 32, 32)), layers.Flatten(), layers.Dense(4)]),
            r"its input \(1, 3, 32, 32\) is no image of 1 to 16 channels that come last: it is channels-first",
        ),
    }


@pytest.mark.slow
def test_what_gives_no_class_scores_is_only_measured_and_that_is_said(tmp_path: Path) -> None:
    for name, (model, why) in other_models().items():
        path = written(tmp_path, converted(model), f"{name}.tflite")
        done = completed(path, pictures(SHAPE))
        assert done.model.unscored, name
        with pytest.raises(AssertionError, match=why):
            raise AssertionError(done.said)
        with pytest.raises(ConfigError, match="accuracy is not defined for it"):
            completed(path, pictures(SHAPE), normalization="tf")


def test_a_file_that_leaves_the_size_of_its_input_open_is_refused_and_not_run_at_one_pixel(tmp_path: Path) -> None:
    import tf_keras

    layers = tf_keras.layers
    image = tf_keras.Input((None, None, 3))
    model = tf_keras.Model(image, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(image)))
    with pytest.raises(ConfigError, match=r"leaves the size of its input open: \?x\?x\?x3"):
        completed(written(tmp_path, converted(model)), pictures(SHAPE))


# ------------------------------------------------------------------------------------------------ of every kind
@pytest.mark.parametrize(("name", "family"), [("batch4", "full-precision"), ("lce", "binarized")])
def test_files_of_batches_and_of_larq_are_models_as_well(name: str, family: str) -> None:
    done = completed(ARTIFACTS / f"{name}.tflite", pictures((8, 8, 3)))
    assert (done.model.family, done.model.classes, done.model.output) == (family, 5, "probabilities")
    images = (pictures((8, 8, 3)).astype(np.float32) - 127.5) / 127.5
    assert np.allclose(done.keras_model(images).sum(1), 1, atol=1e-5)


# ------------------------------------------------------------------------------------------------ what is no flatbuffer
@pytest.mark.parametrize("cut", [12, 1000])
def test_a_damaged_file_is_a_sentence(cut: int, tmp_path: Path) -> None:
    path = written(tmp_path, file_of()[:cut])
    with pytest.raises(ConfigError, match="could not be read as a TFLite flatbuffer") as error:
        completed(path, pictures(SHAPE))
    assert "flatbuffer (it is damaged (" in str(error.value)


def test_a_flatbuffer_is_one_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    assert completed(written(tmp_path, file_of(), "theirs.bin"), pictures(SHAPE)).model.is_flatbuffer
    with pytest.raises(ConfigError, match=r"expected an \.h5, \.keras or \.tflite file"):
        completed(written(tmp_path, b"no model at all", "theirs.tflite"), pictures(SHAPE))


def test_a_keras_file_beside_a_keras_file_is_refused(tmp_path: Path) -> None:
    import tf_keras

    brightest_quarter(tf_keras, SHAPE).save(tmp_path / "mine.keras")
    with pytest.raises(ConfigError, match=r'keras: is for flatbuffers \(.tflite\), and ".*mine.keras" is none'):
        completed(tmp_path / "mine.keras", pictures(SHAPE), keras="other.h5")
    path = written(tmp_path, file_of())
    with pytest.raises(ConfigError, match="keras: expected a Keras file"):
        completed(path, pictures(SHAPE), keras=str(path))
    beside = completed(path, pictures(SHAPE), keras=str(tmp_path / "mine.keras")).model
    assert beside.float_model.weights == str(tmp_path / "mine.keras")
    assert beside.float_model.preprocessing == beside.preprocessing


def test_a_keras_file_of_another_size_is_named_as_the_one_that_does_not_fit(tmp_path: Path) -> None:
    import tf_keras

    brightest_quarter(tf_keras, (32, 32, 3)).save(tmp_path / "other.keras")
    expected = r'keras: expected a model that takes 16x16x3, .* ".*other.keras" takes another size'
    with pytest.raises(ConfigError, match=expected) as error:
        completed(written(tmp_path, file_of()), pictures(SHAPE), keras=str(tmp_path / "other.keras"))
    assert "[model.preprocessing]" not in str(error.value)
