"""Data sets of strangers, and which class their folders are: as for whoever trained the model, or a refusal."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from harness.datasets.dataset_kinds import open_dataset
from harness.experiment.reader import read_experiment
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

HIDDEN = [".ipynb_checkpoints", ".git", "__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "__pycache__"]


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("place", ["{}", "train/{}", "train/cat/{}"])
def test_a_hidden_folder_is_no_class_and_is_said(folder: Path, name: str, place: str) -> None:
    splits = [f"{split}/{each}" for split in ("train", "test") for each in RED] if "train" in place else [*RED]
    put(folder, *splits)
    put(folder, place.format(name))
    dataset = opened(folder)
    assert names_by_red(dataset) == RIGHT
    assert f'skipped hidden files and folders: "{place.format(name)}"' in dataset.remarks


@pytest.mark.parametrize("name", ["._0.png", ".DS_Store", "Thumbs.db", "desktop.ini", ".hidden.png"])
def test_a_hidden_file_is_no_picture(folder: Path, name: str) -> None:
    put(folder, *RED)
    (folder / "cat" / name).write_bytes(b"\0\5\x16\7")
    dataset = opened(folder)
    assert names_by_red(dataset) == RIGHT
    assert f'skipped hidden files and folders: "cat/{name}"' in dataset.remarks


@pytest.mark.parametrize("suffix", [".gif", ".tiff", ".heic", ".txt", ".npy", ""])
def test_a_class_of_files_that_cannot_be_read_is_refused_where_it_would_shift_labels(folder: Path, suffix: str) -> None:
    put(folder, "cat", "eel")
    (folder / "dog").mkdir()
    for number in range(3):
        (folder / "dog" / f"{number}{suffix}").write_bytes(b"GIF89a")
    assert f'"dog" without a picture that can be read: it holds 3 {suffix or "without a suffix"}' in refusal(folder)


def test_a_class_of_pictures_that_are_none_is_refused_as_well(folder: Path) -> None:
    put(folder, "cat", "eel", "train_/x")
    (folder / "train_" / "x").rename(folder / "dog")
    for photo in (folder / "dog").iterdir():
        photo.write_bytes(b"GIF89a")
    assert '"dog" without a picture that can be read: it holds 2 .png' in refusal(folder)


def test_an_empty_class_is_refused_where_it_would_shift_labels_and_said_at_the_end(folder: Path) -> None:
    put(folder, "cat", "eel")
    (folder / "zebra").mkdir()
    assert '"zebra" is not a class: it holds nothing' in opened(folder).remarks
    (folder / "dog").mkdir()
    assert '"dog" without a picture that can be read: it holds nothing' in refusal(folder)


def test_some_unreadable_files_of_a_class_are_counted_and_said(folder: Path) -> None:
    put(folder, *RED)
    for name in ("a.gif", "b.gif", "c.txt"):
        (folder / "dog" / name).write_bytes(b"GIF89a")
    (folder / "dog" / "9.png").write_bytes(b"")
    dataset = opened(folder)
    assert names_by_red(dataset) == RIGHT
    assert "skipped files without the name of a picture: 2 .gif, 1 .txt" in dataset.remarks
    assert 'skipped files whose content is not a picture: 1, the first: "dog/9.png" could not' in said(dataset)


@pytest.mark.parametrize("inner", ["{}/indoor", "{}/2019/may", "{}/images", "train/{}/a", "{}/0"])
def test_sub_folders_belong_to_their_class(folder: Path, inner: str) -> None:
    splits = ("train", "test") if "train" in inner else ("",)
    put(folder, *(inner.format(name).replace("train", split) for split in splits for name in RED), *(
        f"{split}/{name}".strip("/") for split in splits for name in RED
    ))  # fmt: skip
    dataset = opened(folder)
    assert dataset.class_names == ("cat", "dog", "eel")
    assert names_by_red(dataset) == RIGHT
    assert dataset.size("train") + dataset.size("test") == 12 * len(splits)


def test_a_class_that_the_test_split_lacks_keeps_its_place_and_is_said(folder: Path) -> None:
    put(folder, *(f"train/{name}" for name in RED), "test/cat", "test/eel")
    dataset = opened(folder)
    assert names_by_red(dataset) == RIGHT
    assert '1 of 3 classes without a picture in "test": "dog"' in dataset.remarks


def test_pictures_beside_class_folders_are_counted_and_said(folder: Path) -> None:
    put(folder, *RED)
    (folder / "cover.png").write_bytes(png(0))
    dataset = opened(folder)
    assert names_by_red(dataset) == RIGHT
    assert 'pictures in no class folder, not read: "cover.png"' in dataset.remarks


def test_a_class_is_one_however_its_letters_are_composed(folder: Path) -> None:
    for split, form in (("train", "NFC"), ("test", "NFD")):
        put(folder, f"{split}/{unicodedata.normalize(form, 'café-cat')}", f"{split}/dog")
    assert opened(folder).class_names == ("café-cat", "dog")


@pytest.mark.parametrize("name", ["Masks", "MASKS", "annotations"])
def test_a_folder_of_masks_or_boxes_of_nearly_that_name_is_refused(folder: Path, name: str) -> None:
    put(folder, "cat", f"{name}/cat")
    (folder / name / "0.xml").write_text("<annotation/>")
    assert f'got "{name}/' in refusal(folder)


@pytest.mark.parametrize("file", ["classes.txt", "class_names.txt", "labels.txt", "Classes.TXT"])
def test_a_list_fixes_the_order_of_the_classes(folder: Path, file: str) -> None:
    put(folder, *RED)
    (folder / file).write_text("eel\r\ncat\r\nfox\r\ndog\r\n")
    dataset = opened(folder)
    assert dataset.class_names == ("eel", "cat", "fox", "dog")
    assert names_by_red(dataset) == RIGHT
    assert '1 of 4 classes without a picture: "fox"' in dataset.remarks


def test_a_list_elsewhere_is_named_by_its_key_and_lies_beside_the_experiment_file(folder: Path) -> None:
    put(folder, *RED)
    (folder.parent / "order.txt").write_bytes("eel\ncat\ndog".encode("utf-16"))
    (folder.parent / "e.toml").write_text(
        'models = ["planted-float"]\n[dataset]\nkind = "image-folder"\npath = "set"\nclasses = "order.txt"\n'
    )
    (table,) = read_experiment(folder.parent / "e.toml").datasets
    dataset = open_dataset(table.kind, path=table.path, seed=table.seed, **table.options())
    assert (dataset.class_names, names_by_red(dataset)) == (("eel", "cat", "dog"), RIGHT)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cat\ndog\n", 'expected the name of every class folder, got "cat", "dog" and no "eel"'),
        ("cat\n\ndog\neel\n", "line 2: expected the name of a class, got an empty line"),
        ("cat\ndog\neel\ncat\n", 'expected every class once, got "cat" more than once'),
        ("0 cat\n1 dog\n2 eel\n", 'got "0 cat", "1 dog", "2 eel" and no "'),
        ("", "got an empty line"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(folder: Path, text: str, sentence: str) -> None:
    put(folder, *RED)
    (folder / "classes.txt").write_text(text)
    assert sentence in refusal(folder)


def test_two_lists_are_refused_unless_one_is_named(folder: Path) -> None:
    put(folder, *RED)
    (folder / "classes.txt").write_text("cat\ndog\neel\n")
    (folder / "labels.txt").write_text("eel\ndog\ncat\n")
    assert "has classes.txt and labels.txt: expected one list of classes" in refusal(folder)
    assert opened(folder, classes=str(folder / "labels.txt")).class_names == ("eel", "dog", "cat")


def test_folders_called_0_to_10_are_in_two_orders_and_refused(folder: Path) -> None:
    put(folder, *map(str, range(11)), count=1)
    message = refusal(folder)
    assert 'as text, as Keras and torchvision sort them, "10" is class 2; as numbers it is class 10' in message
    (folder / "classes.txt").write_text("".join(f"{number}\n" for number in range(11)))
    assert opened(folder).class_names == tuple(map(str, range(11)))


@pytest.mark.parametrize("names", [[str(n) for n in range(10)], [f"{n:02}" for n in range(12)], ["0", "1"]])
def test_numbers_in_one_order_are_taken_as_they_are(folder: Path, names: list[str]) -> None:
    put(folder, *names, count=1)
    dataset = opened(folder)
    assert dataset.class_names == tuple(names)
    assert "numbers" not in said(dataset)


@pytest.mark.parametrize("names", [["1", "2", "3"], ["217", "482", "701"]])
def test_numbers_that_do_not_count_from_0_are_said_to_be_places(folder: Path, names: list[str]) -> None:
    put(folder, *names, count=1)
    assert "are numbers and count as classes 0 to 2 in this order" in said(opened(folder))


def test_names_whose_numbers_are_in_another_order_than_their_text_are_said(folder: Path) -> None:
    put(folder, "class1", "class2", "class10", count=1)
    dataset = opened(folder)
    assert dataset.class_names == ("class1", "class10", "class2")  # as Keras and torchvision have it
    assert "count in the order of their text" in said(dataset)


def test_a_list_as_macos_writes_it_names_the_same_folders(folder: Path) -> None:
    put(folder, "dog", "café-cat")
    (folder / "classes.txt").write_text(unicodedata.normalize("NFD", "dog\ncafé-cat\n"))
    assert opened(folder).class_names == ("dog", "café-cat")


@pytest.mark.parametrize("names", [("fold1", "fold2"), ("Split_A", "Split_B", "Split_C"), ("fold-0", "other")])
def test_folds_around_classes_are_refused(folder: Path, names: tuple[str, ...]) -> None:
    put(folder, *(f"{name}/{animal}" for name in names for animal in RED))
    assert "may be splits or classes" in refusal(folder)


def test_a_class_may_be_called_banana_split(folder: Path) -> None:
    put(folder, "banana_split", "blindfold")
    assert opened(folder).class_names == ("banana_split", "blindfold")


def test_folders_in_class_folders_are_said(folder: Path) -> None:
    put(folder, "part1/cat", "part1/dog", "part2/cat/may", "part3")
    assert 'folders in class folders belong to their classes: "part1/cat", "part1/dog", "part2/cat"' in said(
        opened(folder)
    )


def test_a_link_to_a_folder_that_is_read_elsewhere_is_said(folder: Path) -> None:
    put(folder, "train/cat", "train/dog", "test/dog")
    (folder / "test" / "cat").symlink_to("../train/cat")
    dataset = opened(folder)
    assert 'skipped links to folders that are read elsewhere: "test/cat"' in dataset.remarks
    assert keys(dataset, "test") == {"test/dog/0.png", "test/dog/1.png"}
