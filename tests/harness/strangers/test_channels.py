"""Models of any number of channels on arrays that have as many, and layers that are a stranger's own."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.datasets.geometry import fit_image
from harness.datasets.npz import NpzDataset
from harness.errors import ConfigError
from harness.execution.coordinator import run
from harness.execution.own_models import completed as complete_models
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.store.database import Store
from reports.drawing.overlays import overlay_picture
from reports.drawing.thumbnails import image_source
from reports.write import write_report
from tests.harness.strangers.inputs import brightest_quarter, completed, pictures, probabilities, top1

BOTH = ["tf_keras", "keras"]
SQUARE = (32, 32, 3)


def saved(tmp_path: Path, shape: tuple[int, int, int], *, keras: str = "tf_keras") -> Path:
    brightest_quarter(importlib.import_module(keras), shape).save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


def arrays(tmp_path: Path, images: Any, **more: Any) -> Path:
    np.savez(tmp_path / "d.npz", test_images=images, test_labels=np.arange(len(images)), **more)
    return tmp_path / "d.npz"


# ------------------------------------------------------------------------------------------------------- channels
@pytest.mark.parametrize("channels", [1, 2, 4, 9])
def test_a_model_of_many_channels_sees_all_of_them(tmp_path: Path, channels: int) -> None:
    dataset = NpzDataset(arrays(tmp_path, pictures((64, 64, channels))))
    images = np.stack([dataset.sample("test", index).image for index in range(4)])
    done = completed(saved(tmp_path, (32, 32, channels)), images)
    assert done.model.preprocessing["mean"] == [127.5] * channels
    assert top1(done, images) == 1.0
    dark = images.copy()
    dark[..., -1] = 0  # the last channel counts as much as the others
    assert np.abs(probabilities(done, dark) - probabilities(done, images)).max() > 0.01


def test_two_channels_go_through_a_whole_run(tmp_path: Path) -> None:
    saved(tmp_path, (32, 32, 2))
    images = pictures((40, 40, 2))
    arrays(tmp_path, images, train_images=images, train_labels=np.arange(4))
    (tmp_path / "mine.toml").write_text(
        'formats = ["int8"]\n[[model]]\npath = "mine.keras"\n[dataset]\npath = "d.npz"\n[saliency]\nimages = 4\n'
        'methods = ["gradient", "occlusion"]\n[quality]\nmetrics = ["insertion_auc"]\n'
    )
    summary = run(read_experiment(tmp_path / "mine.toml"), tmp_path / "run", worker_config=WorkerConfig(workers=0))
    assert summary.failed == 0
    with Store(tmp_path / "run") as store:
        for unit in store.planned_units("accuracy"):
            assert [row.label for row in store.predictions(unit.key)] == [
                row.ranked[0] for row in store.predictions(unit.key)
            ]
    write_report(tmp_path / "run")
    assert "quarter" not in (tmp_path / "run" / "comparison.csv").read_text()


def test_greys_without_an_axis_of_channels_are_images_of_one(tmp_path: Path) -> None:
    dataset = NpzDataset(arrays(tmp_path, pictures((32, 32, 1))[..., 0]))
    assert dataset.sample("test", 1).image.shape == (32, 32, 1)
    images = np.stack([dataset.sample("test", index).image for index in range(4)])
    assert top1(completed(saved(tmp_path, (32, 32, 1)), images), images) == 1.0


def test_greys_are_repeated_for_a_model_of_colours_and_that_is_said(tmp_path: Path) -> None:
    images = pictures((32, 32, 1))
    done = completed(saved(tmp_path, SQUARE), images)
    assert "greys are repeated in three channels" in done.said
    np.testing.assert_array_equal(fit_image(images[0], done.model.preprocessing), np.repeat(images[0], 3, axis=2))


def test_colours_become_luminance_for_a_model_of_greys_and_that_is_said(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, *SQUARE), dtype=np.uint8)
    done = completed(saved(tmp_path, (32, 32, 1)), images)
    assert "colours become greys" in done.said
    luminance = images[0] @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(fit_image(images[0], done.model.preprocessing)[..., 0], luminance, atol=1)


@pytest.mark.parametrize(("here", "wanted"), [(4, 3), (3, 4), (2, 1), (1, 2), (6, 3)])
def test_other_channels_than_the_models_are_refused_before_anything_runs(
    tmp_path: Path, here: int, wanted: int
) -> None:
    with pytest.raises(ConfigError, match=rf"image 0: expected {wanted} channels?, as the model takes, got {here}"):
        completed(saved(tmp_path, (32, 32, wanted)), pictures((32, 32, here)))


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_every_channel_is_resized_by_itself(channels: int) -> None:
    """Pillow takes two channels for grey with alpha, and four for colour with alpha: it would weigh colours by it."""
    image = np.random.default_rng(0).integers(0, 256, (90, 60, channels), dtype=np.uint8)
    record = {"height": 45, "width": 30, "resize": None, "mean": [0.0] * channels}
    fitted = fit_image(image, record)
    for channel in range(channels):
        expected = Image.fromarray(image[..., channel]).resize((30, 45), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(fitted[..., channel], np.asarray(expected))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 9])
def test_images_of_any_channels_are_shown(channels: int) -> None:
    image = pictures((32, 32, channels))[0]
    assert image_source(image).startswith("data:image/webp")
    shown = np.asarray(overlay_picture(image, np.ones((32, 32), np.float32)))
    assert (shown[5, 5] == (200, 200, 0 if channels == 2 else 200)).all()


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((4, 20), np.uint8), r"expected images, .* got vectors uint8 \(4, 20\)"),
        (np.zeros((4, 20)), "got vectors float64"),
        (np.zeros((4, 8, 8, 3), np.float32), r"got float32 \(4, 8, 8, 3\)\n  try: np.uint8"),
        (np.zeros((4, 3, 32, 32), np.uint8), r"got uint8 \(4, 3, 32, 32\)\n  try: .*channels come last"),
        (np.zeros((4, 8, 8, 0), np.uint8), "1 to 16 channels"),
    ],
)
def test_arrays_that_are_no_images_are_a_sentence(tmp_path: Path, images: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        NpzDataset(arrays(tmp_path, images))


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((20,), r"it takes vectors: \(20,\)"),
        ((8, 8), r"it takes 2 dimensions: \(8, 8\)"),
        ((4, 8, 8, 3), "it takes 4 dimensions"),
        ((3, 32, 32), r"\(3, 32, 32\) is channels-first"),
        ((32, 32, 20), "expected an input of 1 to 16 channels"),
    ],
)
def test_a_model_of_something_else_than_images_is_a_sentence(
    tmp_path: Path, shape: tuple[int, ...], sentence: str
) -> None:
    import tf_keras

    value = tf_keras.Input(shape)
    tf_keras.Model(value, tf_keras.layers.Dense(4)(tf_keras.layers.Flatten()(value))).save(tmp_path / "m.keras")
    with pytest.raises(ConfigError, match=sentence):
        completed(tmp_path / "m.keras", pictures(SQUARE))


# ------------------------------------------------------------------------------------------------- layers of one's own
LAYERS = """
{imports}

{decorator}
class Doubled({layers}.Layer):
    def call(self, values):
        return 2 * values
"""
SPELLINGS = {
    "keras": "import keras",
    "tf_keras": "import tf_keras as keras",
    "tf.keras": "import tensorflow as tf\nkeras = tf.keras",
    "from tensorflow": "from tensorflow import keras\nfrom tensorflow.keras.layers import Dense",
}


def own_layers(tmp_path: Path, spelling: str, *, decorated: bool) -> Path:
    decorator = '@keras.utils.register_keras_serializable(package="Mine")' if decorated else ""
    text = LAYERS.format(imports=SPELLINGS[spelling], decorator=decorator, layers="keras.layers")
    (tmp_path / "my_layers.py").write_text(text)
    return tmp_path / "my_layers.py"


def saved_with_own_layer(tmp_path: Path, name: str, module: Path) -> tuple[Path, Any]:
    """What the stranger's own program leaves behind."""
    from harness.models.modules import objects_of

    keras = importlib.import_module(name)
    with objects_of(str(module), name, name="theirs"):
        doubled = keras.utils.get_registered_object("Mine>Doubled") or keras.utils.get_registered_object("Doubled")
        model = brightest_quarter(keras, SQUARE, before=doubled())
    model.save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras", model


@pytest.mark.parametrize(
    ("name", "spelling", "decorated"),
    [
        ("keras", "keras", True),
        ("keras", "tf.keras", False),  # where tf.keras is Keras 3, as it is for whoever installs both today
        ("keras", "from tensorflow", True),
        ("tf_keras", "tf_keras", False),
        ("tf_keras", "tf.keras", True),
    ],
)
def test_layers_of_a_module_are_found_when_its_model_is_loaded(
    tmp_path: Path, name: str, spelling: str, decorated: bool
) -> None:
    module = own_layers(tmp_path, spelling, decorated=decorated)
    path, model = saved_with_own_layer(tmp_path, name, module)
    done = completed(path, pictures(SQUARE), trusted=True, module=module, normalization="unit", on_top=True)
    images = pictures(SQUARE)
    expected = np.asarray(model(images.astype(np.float32) / 255))
    np.testing.assert_allclose(probabilities(done, images), expected, atol=1e-6)


@pytest.mark.parametrize("name", BOTH)
def test_without_the_module_the_sentence_says_what_to_do(tmp_path: Path, name: str) -> None:
    path, _ = saved_with_own_layer(tmp_path, name, own_layers(tmp_path, name, decorated=True))
    with pytest.raises(ConfigError) as untrusted:
        completed(path, pictures(SQUARE))
    assert "not on the list" in str(untrusted.value)
    with pytest.raises(ConfigError) as trusted:
        completed(path, pictures(SQUARE), trusted=True)
    assert "Doubled" in str(trusted.value)
    assert "module = " in str(trusted.value)
    assert "decorat" not in str(trusted.value)


def test_a_module_that_does_not_run_is_a_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path, SQUARE)
    (tmp_path / "broken.py").write_text("import nothing_of_this_name")
    with pytest.raises(ConfigError, match=r'broken.py" could not be imported \(ModuleNotFoundError'):
        completed(path, pictures(SQUARE), trusted=True, module=tmp_path / "broken.py")
    with pytest.raises(ConfigError, match=r'gone.py" could not be read'):
        completed(path, pictures(SQUARE), trusted=True, module=tmp_path / "gone.py")


def test_a_changed_module_is_another_model(tmp_path: Path) -> None:
    module = own_layers(tmp_path, "keras", decorated=True)
    saved_with_own_layer(tmp_path, "keras", module)
    arrays(tmp_path, pictures(SQUARE))
    (tmp_path / "mine.toml").write_text(
        '[[model]]\npath = "mine.keras"\nmodule = "my_layers.py"\ntrusted = true\n[dataset]\npath = "d.npz"'
    )
    [before] = complete_models(read_experiment(tmp_path / "mine.toml")).models
    spec = before.spec()
    module.write_text(module.read_text() + "\n# changed\n")
    assert before.spec() != spec
    assert {key for key in spec if spec[key] != before.spec()[key]} == {"module_sha256"}
