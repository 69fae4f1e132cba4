"""`bitlens init`: the file that it writes says what was found, explains every key, and runs as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import tomllib
from PIL import Image
from typer.testing import CliRunner

from harness.cli import drafting
from harness.cli.app import app
from harness.devices import known
from harness.draft.looking import look_at_model, look_at_pictures
from harness.errors import BitlensError
from harness.execution.own_models import completed
from harness.experiment.json_schema import COMMENT, FILE, experiment_schema
from harness.experiment.reader import read_experiment
from harness.models.declared import Declared
from harness.store import Store
from tests.harness.strangers.inputs import QUARTERS, brightest_quarter, pictures
from tests.harness.strangers.tflite_files import SHAPE, quarters, with_background, written

CLASSES = ("north", "east", "south", "west")
COPIES = 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve pictures that judge and four that calibrate, in a folder where the command is called."""
    for label, picture in enumerate(pictures(SHAPE)):
        for split, copies in (("test", COPIES), ("train", 1)):
            place = tmp_path / "pictures" / split / f"{label}-{CLASSES[label]}"
            place.mkdir(parents=True)
            for copy in range(copies):
                pixels = picture.copy()
                pixels[0, 0] = copy + 10 * (split == "train")  # no picture twice
                Image.fromarray(pixels).save(place / f"{copy}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def keras_file(folder: Path) -> Path:
    import tf_keras

    brightest_quarter(tf_keras, SHAPE).save(folder / "mine.h5")
    return folder / "mine.h5"


def init(*arguments: str, typed: str = "") -> str:
    """What is printed."""
    done = CliRunner().invoke(app, ["init", *arguments], input=typed)
    assert done.exception is None, done.exception
    return done.stdout


def refusal(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["init", *arguments])
    assert isinstance(done.exception, BitlensError), done.exception
    assert done.exception.exit_code == 2
    return str(done.exception)


def test_the_file_says_what_was_found_and_explains_every_key(keras_file: Path, folder: Path) -> None:
    said = init("pictures", "--model", "mine.h5")
    text = (folder / "experiment.toml").read_text()
    lines = text.splitlines()
    assert lines[0] == COMMENT
    assert all(lines[number - 1].startswith("# ") for number, line in enumerate(lines) if line[:1].isalpha())
    assert "found 4 classes (0-north, 1-east, 2-south, 3-west), 12 pictures that judge" in " ".join(lines).replace(
        "# ", ""
    )
    table = tomllib.loads(text)
    assert table["formats"] == ["fp32", "int8"]
    assert table["dataset"] == {"path": "pictures"}
    (model,) = table["model"]
    assert model == {
        "path": "mine.h5", "family": "full-precision", "classes": QUARTERS, "output": "probabilities",
        "preprocessing": {
            "height": 16, "width": 16, "fit": "crop", "channel_order": "rgb", "normalization": "tf"
        },
    }  # fmt: skip
    assert (table["accuracy"], table["conversion"]) == ({"images": "all"}, {"calibration_images": 4})
    assert said.endswith("  next: bitlens run experiment.toml\n")
    schema = experiment_schema()
    assert list(jsonschema.Draft7Validator(schema).iter_errors(table)) == []
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [FILE, "experiment.toml", "mine.h5"]


def test_a_record_written_out_is_the_one_that_was_inferred(
    keras_file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init("pictures", "--model", "mine.h5")
    (folder / "short.toml").write_text('[dataset]\npath = "pictures"\n[[model]]\npath = "mine.h5"\n')
    capsys.readouterr()
    (long,) = completed(read_experiment(folder / "experiment.toml")).models
    assert capsys.readouterr().err == ""  # nothing is left to be inferred
    (short,) = completed(read_experiment(folder / "short.toml")).models
    assert long == short


@pytest.mark.slow
def test_the_file_runs_as_it_is(keras_file: Path, folder: Path) -> None:
    init("pictures", "--model", "mine.h5")
    planned = CliRunner().invoke(app, ["plan", "experiment.toml"])
    assert planned.exception is None, planned.exception
    ran = CliRunner().invoke(app, ["run", "experiment.toml", "--workers", "0"])
    assert ran.exception is None, ran.exception
    with Store(folder / "runs" / "experiment") as store:
        counts = store.counts()
    assert sum(of_kind["failed"] + of_kind["planned"] for of_kind in counts.values()) == 0
    assert min(counts[kind]["done"] for kind in ("accuracy", "latency", "saliency", "quality")) > 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(lambda: quarters("int8"), {"background_class": None, "classes": QUARTERS}, marks=pytest.mark.slow),
        (with_background, {"background_class": True, "classes": QUARTERS}),
    ],
    ids=["int8 input", "class of background"],
)
def test_a_flatbuffer_keeps_its_own_numbers_and_classes(
    folder: Path, content: Callable[[], bytes], expected: dict[str, Any]
) -> None:
    written(folder, content())
    init("pictures", "--model", "theirs.tflite")
    table = tomllib.loads((folder / "experiment.toml").read_text())
    assert "formats" not in table
    (model,) = table["model"]
    assert {key: model.get(key) for key in expected} == expected
    assert table["saliency"]["methods"] == ["occlusion"]


def test_a_model_of_the_catalogue_needs_no_table(folder: Path) -> None:
    for place in (folder / "pictures").glob("*/*"):
        place.rename(place.parent / f"{CLASSES.index(place.name.partition('-')[2])}")
    init("pictures", "--model", "planted-binary")
    table = tomllib.loads((folder / "experiment.toml").read_text())
    assert (table["models"], table["formats"]) == (["planted-binary"], ["fp32", "lce"])
    assert "model" not in table


# --------------------------------------------------------------------------------------------------- what is not given
def test_without_a_terminal_nothing_is_asked(folder: Path) -> None:
    assert "expected PICTURES, got none\n  try: bitlens init pictures/ --model my.keras" in refusal()
    assert "expected --model FILE, got none" in refusal("pictures")


def test_a_terminal_is_asked_for_what_is_missing_or_guessed(
    keras_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "_is_terminal", lambda: True)
    known.keep({"name": "pi4", "kind": "ssh", "host": "pi@pi4.local"})
    said = init(typed="pictures\nmine.h5\nunit\npi4, this-host\n")
    assert "How were pixels prepared in the training of mine.h5?" in said
    table = tomllib.loads((folder / "experiment.toml").read_text())
    assert table["model"][0]["preprocessing"]["normalization"] == "unit"
    assert table["devices"] == ["pi4", "this-host"]


def test_boards_that_are_known_are_named(keras_file: Path, folder: Path) -> None:
    known.keep({"name": "pi4", "kind": "ssh", "host": "pi@pi4.local"})
    init("pictures", "--model", "mine.h5")
    text = (folder / "experiment.toml").read_text()
    assert 'devices = ["this-host"]\n# Known as well: pi4.\n' in text


# ------------------------------------------------------------------------------------------------------------ refusals
def test_a_file_that_is_there_stays_unless_it_may_be_replaced(folder: Path) -> None:
    (folder / "experiment.toml").write_text("mine")
    assert '"experiment.toml" is there already\n  try: --force' in refusal("pictures", "--model", "mine.h5")
    (folder / FILE).write_text("{}")
    assert f'"{FILE}" is there already' in refusal("pictures", "--model", "mine.h5", "--out", "other.toml")
    assert (folder / "experiment.toml").read_text() == "mine"
    assert "expected a name that ends in .toml" in refusal("pictures", "--out", "x")


REFUSED: dict[str, tuple[list[str], str]] = {
    "no pictures": (["nowhere", "--model", "planted-float"], "found nothing at"),
    "no model": (["pictures", "--model", "planted-flaot"], 'try: "planted-float"'),
    "no model file": (["pictures", "--model", "none.h5"], "none.h5"),
    "no device": (["pictures", "--model", "planted-float", "--device", "pi5"], 'no device is called "pi5"'),
    "no name": (
        ["pictures", "--model", "planted-float", "--device", "pi@pi5"],
        "try: bitlens device setup pi@pi5 --keep",
    ),
    "what is known": (
        ["pictures", "--model", "planted-float", "--normalization", "tf"],
        "whose preprocessing is known",
    ),
    "no preset": (["pictures", "--model", "x.h5", "--normalization", "tff"], "tf"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_refusal_is_a_sentence_and_writes_nothing(folder: Path, why: str) -> None:
    arguments, words = REFUSED[why]
    assert words in refusal(*arguments)
    assert [path.name for path in folder.iterdir()] == ["pictures"]


def test_numbers_that_are_no_preset_are_written_out(keras_file: Path, folder: Path) -> None:
    said: dict[str, Any] = {"mean": (10.0,), "scale": (0.5,)}
    found = look_at_model(
        "mine.h5", Declared(**said), look_at_pictures(folder / "pictures"), trusted=False, module=None
    )
    assert found.normalization == ""
    assert np.array_equal(found.model.preprocessing["mean"], [10.0] * 3)
