"""Archives and arrays of strangers: the same rules as for folders."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.cifar10_archive import Cifar10Archive
from harness.datasets.npz import NpzDataset
from harness.errors import ConfigError
from tests.harness.strangers.data_sets.strange_folders import (
    RED,
    encoded,
    keys,
    names_by_red,
    said,
)


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            red = next((red for animal, red in RED.items() if animal in name), 0)
            file.writestr(name, encoded(Image.new("RGB", (8, 8), (red, 0, 0)), "JPEG"))
    return path


def test_what_macos_adds_to_an_archive_is_no_picture(tmp_path: Path) -> None:
    names = [f"{split}/{name}/0.jpg" for split in ("train", "test") for name in RED]
    hidden = ["__MACOSX/train/cat/._0.jpg", "train/cat/._0.jpg", "train/.thumbs/0.jpg"]
    dataset = Cifar10Archive(archive(tmp_path / "c.zip", *names, *hidden))
    assert (dataset.class_names, dataset.size("train"), dataset.size("test")) == (("cat", "dog", "eel"), 3, 3)
    assert 'skipped hidden files and folders: "__MACOSX/train/cat/._0.jpg"' in said(dataset)


@pytest.mark.parametrize(("train", "judge"), [("Training", "Testing"), ("train", "validation")])
def test_splits_of_an_archive_have_other_names_as_well(tmp_path: Path, train: str, judge: str) -> None:
    names = [f"{split}/{name}/0.JPEG" for split in (train, judge) for name in RED]
    dataset = Cifar10Archive(archive(tmp_path / "c.zip", *names))
    assert keys(dataset, "test") == {f"{judge}/{name}/0.JPEG" for name in RED}
    assert names_by_red(dataset) >= {("cat", "cat")}


def test_a_class_of_pngs_in_an_archive_does_not_vanish(tmp_path: Path) -> None:
    names = [f"{split}/{name}/0.{'png' if name == 'dog' else 'jpg'}" for split in ("train", "test") for name in RED]
    with pytest.raises(ConfigError, match=r'"dog" without a picture that can be read: it holds 2 .png'):
        Cifar10Archive(archive(tmp_path / "c.zip", *names))


IMAGES = np.zeros((3, 4, 4, 3), np.uint8)


def arrays(path: Path, **stored: object) -> Path:
    np.savez(path, **stored)
    return path


@pytest.mark.parametrize("labels", [[2, 0, 1], [[2], [0], [1]], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], [2.0, 0.0, 1.0]])
def test_labels_of_arrays_may_be_a_column_or_one_hot(tmp_path: Path, labels: list) -> None:
    dataset = NpzDataset(arrays(tmp_path / "d.npz", test_images=IMAGES, test_labels=labels))
    assert [dataset.sample("test", i).label for i in range(3)] == [2, 0, 1]
    one_hot = isinstance(labels[0], list) and len(labels[0]) > 1
    assert ("test_labels are one-hot" in said(dataset)) == one_hot == dataset.label_range.complete


@pytest.mark.parametrize("labels", [[[0.1, 0.9]] * 3, [[1, 1]] * 3, [[0, 0]] * 3, [[1, 0, 0]] * 2])
def test_labels_that_are_only_nearly_one_hot_are_refused(tmp_path: Path, labels: list) -> None:
    with pytest.raises(ConfigError, match="test_labels: expected one class, or one-hot rows, for each of 3 images"):
        NpzDataset(arrays(tmp_path / "d.npz", test_images=IMAGES, test_labels=labels))


def test_arrays_of_the_validation_split_judge_where_there_is_no_test_split_and_are_said_otherwise(
    tmp_path: Path,
) -> None:
    stored = {f"{split}_images": IMAGES for split in ("train", "val")} | {
        f"{split}_labels": [0, 1, 2] for split in ("train", "val")
    }
    dataset = NpzDataset(arrays(tmp_path / "d.npz", **stored))
    assert (dataset.size("test"), dataset.remarks) == (3, ('"val" judges, there is no split called test',))
    more = NpzDataset(arrays(tmp_path / "e.npz", **stored, test_images=IMAGES[:2], test_labels=[0, 1]))
    assert (more.size("test"), more.remarks) == (2, ('arrays that are not read: "val_images", "val_labels"',))
    no_train = {name: array for name, array in stored.items() if not name.startswith("train")}
    last = NpzDataset(arrays(tmp_path / "g.npz", **no_train, test_images=IMAGES[:2], test_labels=[0, 1]))
    assert (last.size("train"), last.size("test")) == (3, 2)
    assert last.remarks == ('"val" calibrates, there is no split called train',)
    with pytest.raises(ConfigError, match='expected arrays test_images and test_labels, got "x_train"'):
        NpzDataset(arrays(tmp_path / "f.npz", x_train=IMAGES))


def test_labels_of_arrays_counted_from_1_are_said_and_the_greatest_is_known(tmp_path: Path) -> None:
    dataset = NpzDataset(arrays(tmp_path / "d.npz", test_images=IMAGES, test_labels=[3, 1, 2]))
    assert (dataset.label_range.greatest, dataset.label_range.where.endswith("test_labels: image 0")) == (3, True)
    assert "the classes are 1 to 3, class 0 has no image" in said(dataset)


def test_one_hot_rows_of_another_length_than_the_names_are_refused(tmp_path: Path) -> None:
    path = arrays(tmp_path / "d.npz", test_images=IMAGES, test_labels=np.eye(3, 5), class_names=["a", "b", "c"])
    with pytest.raises(ConfigError, match="expected one-hot rows of 3, as many as class_names"):
        NpzDataset(path)
