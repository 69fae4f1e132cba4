"""A model file and a folder of pictures, and nothing else: what was inferred is said, and can be overridden."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.errors import ConfigError
from harness.execution.coordinator import run
from harness.execution.own_models import completed as complete_models
from harness.execution.sizing import WorkerConfig
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment
from harness.plan.planner import plan
from harness.stages.context import RunContext
from harness.store.database import Store
from harness.store.unit_inputs import UnitInputs
from tests.harness.strangers.inputs import brightest_quarter, completed, pictures

WIDE = (32, 64, 3)
SQUARE = (32, 32, 3)


def experiment(folder: Path, text: str) -> Experiment:
    (folder / "mine.toml").write_text(text)
    return read_experiment(folder / "mine.toml")


def saved(tmp_path: Path, name: str, shape: tuple[int, int, int] = WIDE, *, keras: str = "tf_keras") -> Path:
    model = brightest_quarter(importlib.import_module(keras), shape)
    model.save(tmp_path / name)
    return tmp_path / name


def folder_of_pictures(tmp_path: Path, size: tuple[int, int] = (64, 128), copies: int = 3) -> Path:
    """train/ and test/ with a folder for each class, as everybody lays them out."""
    for split in ("train", "test"):
        for label, image in enumerate(pictures((*size, 3))):
            place = tmp_path / "photos" / split / f"quarter {label}"
            place.mkdir(parents=True)
            for copy in range(copies):
                Image.fromarray(image + np.uint8(copy)).save(place / f"{copy}.png")
    return tmp_path / "photos"


def test_a_run_needs_no_more_than_two_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path, "quarters.keras")
    folder_of_pictures(tmp_path)
    wanted = experiment(tmp_path, '[[model]]\npath = "quarters.keras"\n[dataset]\npath = "photos"')
    run(wanted, tmp_path / "run", worker_config=WorkerConfig(workers=0))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith('model "quarters"')]
    assert said == [
        'model "quarters": its file says input 32x64x3, 4 classes, full-precision; '
        "input = (pixels - 127.5) / 127.5 by default, which no file says (`normalization` changes it); "
        "pictures are scaled to cover the input and cropped at the centre (`fit` changes it); "
        "its outputs are probabilities that sum to 1 (`output` changes it)"
    ]
    with Store(tmp_path / "run") as store:
        judged = {unit.spec["format"]: unit for unit in store.planned_units("accuracy")}
        assert set(judged) == {"keras", "fp32"}
        for unit in judged.values():
            rows = list(store.predictions(unit.key))
            assert [row.label for row in rows] == [row.ranked[0] for row in rows]
            assert len(rows) == 12  # all that there are, although 500 are judged where there are as many


def keys(wanted: Experiment, folder: Path) -> set[str]:
    wanted = complete_models(wanted)
    return {unit.key for unit in plan(wanted, RunContext(wanted, UnitInputs(folder)).dataset_of)}


def test_what_is_inferred_has_the_key_of_what_is_written_out(tmp_path: Path) -> None:
    saved(tmp_path, "mine.h5", SQUARE)
    np.savez(tmp_path / "d.npz", test_images=pictures(SQUARE), test_labels=np.arange(4))
    data = '[dataset]\npath = "d.npz"'
    written_out = (
        '[[model]]\nname = "mine"\npath = "mine.h5"\nfamily = "full-precision"\nclasses = 4\noutput = "probabilities"\n'
        '[model.preprocessing]\nheight = 32\nwidth = 32\nresize = 32\nchannel_order = "rgb"\n'
        "mean = [127.5, 127.5, 127.5]\n"
        f'scale = [{1 / 127.5!r}, {1 / 127.5!r}, {1 / 127.5!r}]\n[dataset]\nkind = "npz"\npath = "d.npz"'
    )
    alone = experiment(tmp_path, f'[[model]]\npath = "mine.h5"\n{data}')
    assert keys(alone, tmp_path) == keys(experiment(tmp_path, written_out), tmp_path)
    explicit = {"fit": "crop", "interpolation": "bilinear", "normalization": "tf"}
    table = "\n".join(f'{name} = "{value}"' for name, value in explicit.items())
    defaults = experiment(tmp_path, f'[[model]]\npath = "mine.h5"\n[model.preprocessing]\n{table}\n{data}')
    assert keys(alone, tmp_path) == keys(defaults, tmp_path)
    squashed = experiment(tmp_path, f'[[model]]\npath = "mine.h5"\n[model.preprocessing]\nfit = "squash"\n{data}')
    assert not keys(alone, tmp_path) & keys(squashed, tmp_path)


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "exported", "export of keras 3"])
def test_size_and_classes_are_read_from_every_kind_of_file(tmp_path: Path, name: str) -> None:
    model = brightest_quarter(importlib.import_module("keras" if name.endswith("3") else "tf_keras"), WIDE)
    model.save(tmp_path / name) if "." in name else model.export(tmp_path / name)
    done = completed(tmp_path / name, pictures(WIDE))
    assert (done.model.preprocessing["height"], done.model.preprocessing["width"]) == (32, 64)
    assert (done.model.classes, done.model.family) == (4, "full-precision")
    assert "cropped" not in done.said  # since the pictures have the size of the input


def test_quantizers_of_larq_make_a_model_binarized(tmp_path: Path) -> None:
    larq = pytest.importorskip("larq")
    import tf_keras

    image = tf_keras.Input(SQUARE)
    x = larq.layers.QuantConv2D(4, 3, kernel_quantizer="ste_sign", kernel_constraint="weight_clip")(image)
    head = tf_keras.layers.Dense(4, activation="softmax")(tf_keras.layers.GlobalAveragePooling2D()(x))
    tf_keras.Model(image, head).save(tmp_path / "m.h5")
    assert completed(tmp_path / "m.h5", pictures(SQUARE)).model.family == "binarized"
    overridden = completed(tmp_path / "m.h5", pictures(SQUARE), family="full-precision")
    assert overridden.model.family == "full-precision"
    assert "binarized" not in overridden.said


def open_model(tmp_path: Path) -> Path:
    import tf_keras

    image = tf_keras.Input((None, None, 3))
    head = tf_keras.layers.Dense(4, activation="softmax")(tf_keras.layers.GlobalAveragePooling2D()(image))
    tf_keras.Model(image, head).save(tmp_path / "open.keras")
    return tmp_path / "open.keras"


def test_a_size_that_the_file_leaves_open_is_asked_for(tmp_path: Path) -> None:
    path = open_model(tmp_path)
    with pytest.raises(ConfigError, match=r"leaves the size of its input open: \(None, None, 3\)\n  try: height = 224"):
        completed(path, pictures(SQUARE))
    done = completed(path, pictures(SQUARE), height=48, width=64)
    assert done.keras_model.input_shape == (None, 48, 64, 3)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"height": 64, "width": 64}, r"makes images \(64, 64, 3\), its input is \(32, 64, 3\)"),
        ({"classes": 7}, r"expected class scores \(N, 7\), its output is \(None, 4\)"),
        ({"mean": (0.0, 0.0)}, "expected one number of mean, or one for each of 3 channels, mean has 2"),
    ],
)
def test_what_contradicts_the_file_is_a_sentence(tmp_path: Path, said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        completed(saved(tmp_path, "m.h5"), pictures(WIDE), **said)


def test_a_model_is_called_by_its_file_and_may_be_given_a_name(tmp_path: Path) -> None:
    data = '[dataset]\nkind = "planted"'
    assert experiment(tmp_path, f'[[model]]\npath = "a/my net.v2.keras"\n{data}').models[0].name == "my net.v2"
    assert experiment(tmp_path, f'[[model]]\nname = "b"\npath = "a/net.h5"\n{data}').models[0].name == "b"
    with pytest.raises(ConfigError, match='"net" more than once'):
        experiment(tmp_path, f'[[model]]\npath = "a/net.h5"\n[[model]]\npath = "b/net.h5"\n{data}')


def test_a_data_set_is_of_the_kind_that_its_path_says(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").touch()
    for folder in ("cifar-10-batches-py", "around/cifar-10-batches-bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "test_batch.bin").touch()

    def kind(path: str) -> str:
        return experiment(tmp_path, f'models = ["planted-float"]\n[dataset]\npath = "{path}"').datasets[0].kind

    assert (kind("photos"), kind("d.npz"), kind("cifar.ZIP")) == ("image-folder", "npz", "cifar10-archive")
    assert {kind(path) for path in ("cifar-10-batches-py", "around", "c.tar.gz", "c.tgz")} == {"cifar10-archive"}
    with pytest.raises(ConfigError, match=r"kind: expected one, since .*notes.txt.* is neither a folder of images"):
        kind("notes.txt")
    with pytest.raises(ConfigError, match="path: found nothing at"):
        kind("photoss")
    with pytest.raises(ConfigError, match="expected a kind or a path, got neither"):
        experiment(tmp_path, 'models = ["planted-float"]\n[dataset]\nseed = 1')


def test_formats_that_fit_none_of_the_files_are_a_sentence(tmp_path: Path) -> None:
    saved(tmp_path, "m.h5", SQUARE)
    np.savez(tmp_path / "d.npz", test_images=pictures(SQUARE), test_labels=np.arange(4))
    wanted = experiment(tmp_path, 'formats = ["lce"]\n[[model]]\npath = "m.h5"\n[dataset]\npath = "d.npz"')
    with pytest.raises(ConfigError, match='formats: "lce" fits none of the models'):
        complete_models(wanted)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('name = "planted-float"\nclasses = 7', "a `path` beside `classes`, which is said of a file"),
        ('path = "m.h5"\nmodule = "m.py"', "trusted = true beside `module`"),
        (
            'path = "m.h5"\n[model.preprocessing]\nnormalization = "imagenet"',
            '"caffe", "torch", "tf", "unit" or "none"',
        ),
        ('path = "m.h5"\n[model.preprocessing]\nnormalization = "tf"\nmean = [0.0]', "got both"),
        ('path = "m.h5"\n[model.preprocessing]\nfit = "squash"\nresize = 9', "either resize or fit"),
        ('path = "m.h5"\n[model.preprocessing]\npad_colour = [300]', "expected a number <= 255, got 300"),
    ],
)
def test_tables_that_cannot_be_meant_are_sentences(tmp_path: Path, table: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        experiment(tmp_path, f'[[model]]\n{table}\n[dataset]\nkind = "planted"')
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("mine.toml ")
