"""Where the files of a data set may lie: links of whole folders are followed, single files do not lead out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.image_folder import ImageFolder
from harness.errors import ConfigError


def photos(folder: Path, *, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((4, 5, 3), number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
        photos(tmp_path / "set" / name)
    return tmp_path / "set"


def names(folder: Path) -> set[str]:
    dataset = ImageFolder(folder)
    return {dataset.sample(split, i).key for split in ("train", "test") for i in range(dataset.size(split))}


def test_the_data_set_s_own_folder_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert names(tmp_path / "link") == names(folder)


def test_folders_of_a_data_set_may_be_links(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for split in ("train", "test"):
        (linked / split).symlink_to(folder / split)
    assert names(linked) == names(folder)
    (linked / "labels.csv").write_text("path,class_index\ntest/cat/0.png,0\ntrain/dog/1.png,1\n")
    assert names(linked) == {"test/cat/0.png", "train/dog/1.png"}


def test_a_folder_is_read_once_however_many_links_lead_to_it(folder: Path, tmp_path: Path) -> None:
    before = names(folder)
    (folder / "again").symlink_to(folder / "train")
    (folder / "train" / "ring").symlink_to(folder)
    (folder / "around").symlink_to(tmp_path)
    assert names(folder) == before


@pytest.mark.parametrize("how", ["absolute", "relative", "through a link inside"])
def test_a_link_to_a_single_file_outside_is_refused(folder: Path, tmp_path: Path, how: str) -> None:
    secret = photos(tmp_path / "private", count=1) / "0.png"
    link = folder / "test" / "cat" / "9.png"
    if how == "through a link inside":
        (folder / "hidden").symlink_to(secret)
        link.symlink_to(folder / "hidden")
    else:
        link.symlink_to(secret if how == "absolute" else os.path.relpath(secret, link.parent))
    with pytest.raises(ConfigError, match="is a link that leads out of the data set, to"):
        ImageFolder(folder)
    (folder / "labels.csv").write_text("path,class_index\ntest/cat/9.png,0\n")
    with pytest.raises(ConfigError, match=r"labels.csv\" line 2: .* is a link that leads out"):
        ImageFolder(folder)


def test_a_labels_csv_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "private.csv").write_text("path,class_index\ntest/cat/0.png,0\n")
    (folder / "labels.csv").symlink_to(tmp_path / "private.csv")
    with pytest.raises(ConfigError, match=r'labels\.csv" is a link that leads out of the data set, to'):
        ImageFolder(folder)


def test_a_link_to_a_file_inside_is_followed(folder: Path) -> None:
    (folder / "test" / "cat" / "9.png").symlink_to("../dog/0.png")
    assert "test/cat/9.png" in names(folder)


@pytest.mark.parametrize("place", ["masks/test/cat/0.png", "Annotations/0.xml"])
def test_masks_and_boxes_stay_inside_as_well(folder: Path, tmp_path: Path, place: str) -> None:
    secret = photos(tmp_path / "private", count=1) / "0.png"
    (folder / place).parent.mkdir(parents=True)
    (folder / place).symlink_to(secret)
    (folder / "labels.csv").write_text("path,class_index\ntest/cat/0.png,0\n")
    with pytest.raises(ConfigError, match="leads out of the data set"):
        ImageFolder(folder)


def test_a_pipe_or_a_dangling_link_among_photos_is_a_sentence(folder: Path) -> None:
    strange = folder / "test" / "cat" / "9.png"
    os.mkfifo(strange)
    with pytest.raises(ConfigError, match="expected a regular file, got a pipe"):
        ImageFolder(folder)
    strange.unlink()
    strange.symlink_to("nowhere.png")
    with pytest.raises(ConfigError, match="found no file"):
        ImageFolder(folder)


def test_a_pipe_for_a_mask_or_a_table_is_a_sentence(folder: Path) -> None:
    (folder / "masks" / "test" / "cat").mkdir(parents=True)
    os.mkfifo(folder / "masks" / "test" / "cat" / "0.png")
    with pytest.raises(ConfigError, match="expected a regular file, got a pipe"):
        ImageFolder(folder)
    os.mkfifo(folder / "labels.csv")
    with pytest.raises(ConfigError, match=r"labels.csv\": expected a regular file, got a pipe"):
        ImageFolder(folder)


def test_a_folder_called_like_a_picture_is_a_class(folder: Path) -> None:
    for split in ("train", "test"):
        photos(folder / split / "odd.png")
    assert "test/odd.png/0.png" in names(folder)


def test_a_folder_that_cannot_be_listed_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refusing(path: str) -> object:
        if os.fspath(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may list anything
    with pytest.raises(ConfigError, match='dog" could not be listed'):
        ImageFolder(folder)


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"\xff\xfe.png", b"a\xc3.png"])
def test_a_file_name_that_is_not_utf8_is_a_sentence_that_can_be_printed(folder: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(folder / "test" / "cat"), name)
    os.rename(folder / "test" / "cat" / "0.png", path)
    with pytest.raises(ConfigError, match="expected a file name in UTF-8, got the bytes") as caught:
        ImageFolder(folder)
    assert str(caught.value).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<annotation>" * 3,
        b"\x00" * 100,
        b"<a>" * 50_000 + b"</a>" * 50_000,
        b'<?xml version="1.0" encoding="nonsense"?><annotation/>',
        b'<!DOCTYPE a [<!ENTITY a "'
        + b"a" * 1000
        + b'">'
        + b"".join(b'<!ENTITY %c "&%c;&%c;&%c;&%c;">' % (c, c - 1, c - 1, c - 1, c - 1) for c in range(98, 116))
        + b"]><annotation>&s;</annotation>",
        b"x" * (2**20 + 1),
        b"<annotation><object><bndbox><xmin>1e999</xmin><ymin>nan</ymin><xmax>3</xmax><ymax>3</ymax></bndbox></object>"
        b"</annotation>",
    ],
    ids=["empty", "unclosed", "NUL", "deep", "encoding", "entities", "large", "infinite"],
)
def test_hostile_xml_is_no_box_or_one_sentence(folder: Path, content: bytes) -> None:
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "0.xml").write_bytes(content)
    (folder / "labels.csv").write_text("path,class_index\ntest/cat/0.png,0\n")
    try:
        samples = names(folder)
    except ConfigError as error:
        assert str(error).startswith("[dataset] path")  # noqa: PT017
    else:
        assert samples == {"test/cat/0.png"}
