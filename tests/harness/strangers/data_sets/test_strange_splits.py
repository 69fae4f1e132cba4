"""Data sets of strangers, and which of their images judge: the splits that folders name, or a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from tests.harness.strangers.data_sets.strange_folders import (
    RED,
    RIGHT,
    keys,
    names_by_red,
    opened,
    png,
    put,
    refusal,
    said,
)


@pytest.mark.parametrize("judge", ["validation", "val", "Valid", "DEV", "test", "Testing"])
@pytest.mark.parametrize("train", ["train", "Training"])
def test_no_training_image_judges_whatever_the_splits_are_called(folder: Path, train: str, judge: str) -> None:
    put(folder, *(f"{split}/{name}" for split in (train, judge) for name in RED), count=9)
    dataset = opened(folder)
    assert keys(dataset, "test") == {f"{judge}/{name}/{number}.png" for name in RED for number in range(9)}
    assert keys(dataset, "train") == {f"{train}/{name}/{number}.png" for name in RED for number in range(9)}
    assert names_by_red(dataset) == RIGHT
    assert ("judges" in said(dataset)) == (judge.lower() not in ("test", "testing"))


def test_of_three_splits_test_judges_train_calibrates_and_the_third_is_said_to_be_unused(folder: Path) -> None:
    put(folder, *(f"{split}/{name}" for split in ("train", "val", "test") for name in RED))
    dataset = opened(folder)
    assert {key.split("/")[0] for key in keys(dataset, "test")} == {"test"}
    assert {key.split("/")[0] for key in keys(dataset, "train")} == {"train"}
    assert dataset.remarks == ('"val" judges and calibrates nothing: its 6 images are not used',)


@pytest.mark.parametrize("form", ["images/{split}/{name}", "{split}/images/{name}", "Images/{split}/{name}"])
def test_a_folder_called_images_is_neither_a_split_nor_a_class(folder: Path, form: str) -> None:
    put(folder, *(form.format(split=split, name=name) for split in ("train", "test") for name in RED))
    dataset = opened(folder)
    assert (dataset.class_names, dataset.size("train"), dataset.size("test")) == (("cat", "dog", "eel"), 6, 6)
    assert names_by_red(dataset) == RIGHT


def test_masks_may_stand_beside_a_folder_called_images_as_its_like(folder: Path) -> None:
    put(folder, "images/train/cat", "images/test/cat")
    put(folder, "masks/test/cat")
    assert all(opened(folder).sample("test", index).mask is not None for index in range(2))


@pytest.mark.parametrize(
    ("places", "seen"),
    [
        (["train/cat", "train/dog"], 'the split "train" alone'),
        (["train/cat", "test/cat", "dog"], '"test", "train" beside "dog"'),
        (["train/cat", "dog"], '"train" beside "dog"'),
        (["train/cat", "training/cat", "test/cat"], '"train" and "training" are two names of one split'),
        (["train/cat", "val/cat", "validation/cat"], '"val" and "validation" are two names of one split'),
        (["train/cat", "Test/cat", "test/cat"], '"Test" and "test" are two names of one split'),
        (["training_set/cat", "training_set/dog", "test_set/cat", "test_set/dog"], '"training_set", which may'),
        (["seg_train/cat", "seg_test/cat"], '"seg_test", "seg_train", which may be splits or classes'),
        (["train2017/cat", "val2017/cat"], '"train2017", "val2017", which may be splits or classes'),
        (["trainA", "trainB", "testA", "testB"], "which may be splits or classes"),
        (["cat/train", "cat/test", "dog/train", "dog/test"], '"cat/test", a split inside of a class'),
        (["photos/train/cat", "photos/test/cat"], '"photos/test", a split inside of a class'),
        (["photos/cat", "photos/dog"], 'the one folder "photos" with "cat", "dog" in it'),
        (["train/all/cat", "train/all/dog", "test/all/cat"], 'the one folder "train/all" with "cat", "dog" in it'),
        (["images/cat", "images/dog", "eel"], '"images" beside "eel"'),
        (["images"], 'got "images/0.png", "images/1.png"'),
        (["train/images", "test/images"], "expected folders of classes"),
        (["train/images/cat", "train/images/dog", "test/images"], "expected folders of classes"),
        (["train", "test"], '"test/", "train/"'),
        (["train/cat", "test/cat", "test/dog"], '"dog" in "test" and not in "train"'),
        (["train/cat", "val/Cat", "test/cat"], '"Cat" in "val" and not in "train"'),
    ],
)  # fmt: skip
def test_what_may_be_meant_in_two_ways_is_refused_with_what_was_seen(
    folder: Path, places: list[str], seen: str
) -> None:
    put(folder, *places)
    message = refusal(folder)
    assert seen in message
    assert "\n  try: " in message


def test_a_test_split_without_labels_is_said_and_the_validation_split_judges(folder: Path) -> None:
    put(folder, "train/cat", "train/dog", "val/cat", "val/dog", "test")
    dataset = opened(folder)
    assert {key.split("/")[0] for key in keys(dataset, "test")} == {"val"}
    assert '"test" has no class folders and is not read: it holds 2 .png' in dataset.remarks


def test_a_test_split_of_other_files_is_refused(folder: Path) -> None:
    put(folder, "train/cat", "val/cat")
    (folder / "test" / "cat").mkdir(parents=True)
    (folder / "test" / "cat" / "1.tiff").write_bytes(b"II*\0")
    assert '"test", which holds no picture but 1 .tiff' in refusal(folder)


def test_class_folders_without_splits_say_how_many_images_calibrate(folder: Path) -> None:
    put(folder, *RED, count=20)
    dataset = opened(folder)
    assert dataset.size("train") + dataset.size("test") == 60
    assert dataset.remarks == (
        f"there are no folders train and test: {dataset.size('train')} of 60 images, one in 10, are set aside to "
        "calibrate, the others judge",
    )


def test_a_test_split_alone_sets_some_of_its_images_aside_and_says_so(folder: Path) -> None:
    put(folder, *(f"test/{name}" for name in RED), count=20)
    dataset = opened(folder)
    assert dataset.size("train") + dataset.size("test") == 60
    assert '"test" is the only split' in said(dataset)


def test_pictures_that_judge_and_calibrate_as_well_are_said(folder: Path) -> None:
    put(folder, "train/cat", "test/cat")
    (folder / "test" / "cat" / "9.png").write_bytes((folder / "train" / "cat" / "1.png").read_bytes())
    assert 'byte for byte, such as "test/cat/9.png", which is "train/cat/1.png"' in said(opened(folder))


def test_a_class_may_be_called_train_where_the_list_of_classes_says_so(folder: Path) -> None:
    put(folder, "cat", "train")
    assert '"train" beside "cat"' in refusal(folder)
    (folder / "classes.txt").write_text("train\ncat\n")
    assert opened(folder).class_names == ("train", "cat")


def test_a_class_called_train_inside_of_splits_is_a_class(folder: Path) -> None:
    put(folder, "train/train", "train/cat", "test/train", "test/cat")
    assert opened(folder).class_names == ("cat", "train")


FILES = ["0.png", "1.PNG", "a.gif", ".b.png"]
FOLDERS = ["train", "Val", "test", "images", "cat", "dog", "7", "12", ".git", "training_set", "masks"]


@given(
    places=st.lists(
        st.tuples(st.lists(st.sampled_from(FOLDERS), max_size=4), st.sampled_from(FILES)),
        min_size=1,
        max_size=10,
    )
)
def test_any_tree_is_refused_or_its_first_level_below_the_splits_is_the_class(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[list[str], str]]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    for folders, name in places:
        (folder / Path(*folders)).mkdir(parents=True, exist_ok=True)
        (folder / Path(*folders) / name).write_bytes(png(0))
    try:
        dataset = opened(folder)
    except ConfigError as error:
        assert str(error).startswith("[dataset] path: ")  # noqa: PT017
        return
    splits = {"train": "train", "Val": "val", "test": "test"}
    tops = {}
    for split in ("train", "test"):
        for index in range(dataset.size(split)):
            sample = dataset.sample(split, index)
            parts = [part for part in sample.key.split("/") if part != "images"]
            named = splits.get(parts[0], "")
            assert dataset.class_names[sample.label] == parts[1 if named else 0]
            assert not any(part.startswith(".") for part in parts)
            tops.setdefault(split, set()).add(named)
    assert "train" not in tops.get("test", ())
    assert all(len(each) == 1 for each in tops.values())
