"""The examples run where they are: data lies in data/ of the checkout, and each file says what puts it there."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tomllib
from PIL import Image

from harness.errors import ConfigError
from harness.experiment.reader import read_experiment
from tests.harness.datasets.cifar10_files import archive, python_files

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


def paths(value: object) -> list[str]:
    """Every `path` of a file, however deep."""
    if isinstance(value, list):
        return [path for item in value for path in paths(item)]
    if not isinstance(value, dict):
        return []
    own = [value["path"]] if isinstance(value.get("path"), str) else []
    return own + [path for item in value.values() for path in paths(item)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_points_into_the_checkout_and_says_what_puts_its_data_there(example: Path) -> None:
    text = example.read_text()
    comment = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert f"#     bitlens run examples/{example.name}\n" in f"{comment}\n"
    for path in paths(tomllib.loads(text)):
        place = os.path.relpath(os.path.normpath(example.parent / path), ROOT)
        if place.startswith(f"examples{os.sep}"):  # a model that comes with the checkout
            assert (ROOT / place).is_file(), path
            continue
        assert place.startswith(f"data{os.sep}"), path
        assert f" {place}" in comment, path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_read(example: Path) -> None:
    assert read_experiment(example).models


def test_an_example_without_its_data_says_how_to_get_it(tmp_path: Path) -> None:
    from harness.datasets.dataset_kinds import open_dataset

    with pytest.raises(ConfigError, match=r"found no file .*\n  try: curl -LO https"):
        open_dataset("cifar10-archive", path=str(tmp_path / "cifar-10-python.tar.gz"), seed=0)


def label(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "label_imagenet.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_photographs_of_imagenet_are_labelled_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"n{10**7 + 7 * (999 - number):08d}_class-{number}.JPEG").touch()
    done = label(tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = {row["class_name"]: int(row["class_index"]) for row in csv.DictReader(file)}
    assert rows == {f"class-{number}": 999 - number for number in range(1000)}


def test_a_folder_that_lacks_classes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "n01440764_tench.JPEG").touch()
    done = label(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "expected photographs of 1,000 classes" in done.stderr


def test_the_archive_of_the_examples_is_one_that_is_read(tmp_path: Path) -> None:
    small = archive(tmp_path / "cifar-10-python.tar.gz", python_files())
    assert read_experiment(ROOT / "examples" / "cifar10.toml", data=small).datasets[0].kind == "cifar10-archive"


def test_the_gallery_has_every_example() -> None:
    page = (ROOT / "docs" / "gallery.md").read_text()
    assert [path.name for path in EXAMPLES if f"examples/{path.name}`" not in page] == []


def make_tiny_imagenet(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "tiny_imagenet.py"), str(source), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_twenty_classes_of_tiny_imagenet_become_an_image_folder_with_boxes(tmp_path: Path) -> None:
    from examples.tiny_imagenet import CLASSES
    from harness.datasets.dataset_kinds import open_dataset

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (10, 200, 30)).save(buffer, "JPEG")
    with zipfile.ZipFile(tmp_path / "tiny-imagenet-200.zip", "w") as archive:
        for number in CLASSES:
            archive.writestr(f"tiny-imagenet-200/train/{number}/images/{number}_7.JPEG", buffer.getvalue())
            boxes = f"{number}_7.JPEG\t0\t10\t63\t58\n"
            archive.writestr(f"tiny-imagenet-200/train/{number}/{number}_boxes.txt", boxes)
        lines = [f"val_{index}.JPEG\t{number}\t1\t2\t3\t4" for index, number in enumerate([*CLASSES, "n09999999"])]
        archive.writestr("tiny-imagenet-200/val/val_annotations.txt", "\n".join(lines))
        for index in range(len(lines)):
            archive.writestr(f"tiny-imagenet-200/val/images/val_{index}.JPEG", buffer.getvalue())
    done = make_tiny_imagenet(tmp_path / "tiny-imagenet-200.zip", tmp_path / "made")
    assert (done.returncode, done.stderr) == (0, "")
    dataset = open_dataset("image-folder", path=str(tmp_path / "made"), seed=0)
    assert (dataset.size("train"), dataset.size("test")) == (20, 20)
    assert list(dataset.class_names) == list(CLASSES.values())
    (mask,) = {dataset.sample("train", index).mask.tobytes() for index in range(20)}
    expected = np.zeros((64, 64), bool)
    expected[10:59, :] = True  # the lines that Tiny-ImageNet calls 10 to 58
    assert np.array_equal(np.frombuffer(mask, bool).reshape(64, 64), expected)


def test_another_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no archive")
    done = make_tiny_imagenet(tmp_path / "x.zip", tmp_path / "made")
    assert done.returncode == 2
    assert "expected tiny-imagenet-200.zip as it is published" in done.stderr
    assert "Traceback" not in done.stderr
