"""Labels that no class of the model answers to are refused before anything runs, and doubtful ones are said."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.dataset import Dataset
from harness.datasets.dataset_kinds import open_dataset
from harness.errors import ConfigError
from harness.models.catalogue import Model, minus_one_to_one
from harness.plan.label_check import check_labels, doubt_of_labels


def model(classes: int, output: str = "probabilities") -> Model:
    return Model(
        name="mine", family="", preprocessing=minus_one_to_one(8), classes=classes, weights="mine.h5", output=output
    )


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(path)


def labelled_by_rows(folder: Path, labels: list[int]) -> Dataset:
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "class_index"])
        for i, label in enumerate(labels):
            picture(folder / f"{i}.png", i)
            rows.writerow([f"{i}.png", label])
    return open_dataset("image-folder", path=str(folder), seed=0)


def labelled_by_folders(folder: Path, classes: list[str]) -> Dataset:
    for i, name in enumerate(classes * 2):
        picture(folder / name / f"{i}.png", i)
    return open_dataset("image-folder", path=str(folder), seed=0)


def test_classes_counted_from_1_are_refused_with_the_row(tmp_path: Path) -> None:
    dataset = labelled_by_rows(tmp_path, [1, 2, 3, 1, 2])
    with pytest.raises(ConfigError, match="counted from 1") as error:
        check_labels(model(3), dataset)
    assert "line 4" in str(error.value)
    assert "has the classes 0 to 2" in str(error.value)


def test_a_label_beyond_the_classes_is_refused_though_others_begin_at_0(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a model of these classes") as error:
        check_labels(model(3), labelled_by_rows(tmp_path, [0, 7, 1]))
    assert "class 7" in str(error.value)
    assert "line 3" in str(error.value)


def test_a_label_beyond_a_class_map_points_at_the_map(tmp_path: Path) -> None:
    behind_background = replace(model(2), class_map=(1, 2))
    with pytest.raises(ConfigError, match="background_class = false, or class_map with a class for each label"):
        check_labels(behind_background, labelled_by_rows(tmp_path, [0, 1, 2]))


def test_more_folders_than_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='"dog"'):
        check_labels(model(2, "probability"), labelled_by_folders(tmp_path, ["bird", "cat", "dog"]))


def test_one_output_and_two_folders_fit(tmp_path: Path) -> None:
    dataset = labelled_by_folders(tmp_path, ["no-person", "person"])
    check_labels(model(2, "probability"), dataset)
    assert doubt_of_labels(model(2, "probability"), dataset) == ""


def test_a_few_folders_of_many_classes_are_said_to_be_doubtful(tmp_path: Path) -> None:
    dataset = labelled_by_folders(tmp_path, ["cat", "dog"])
    check_labels(model(1000), dataset)
    assert 'its data set 2, the first of them "cat"' in doubt_of_labels(model(1000), dataset)
