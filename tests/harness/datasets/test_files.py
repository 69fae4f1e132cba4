"""Data sets that read files: what they accept, and what they say when a file is not what it should be."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.dataset_kinds import open_dataset
from harness.errors import ConfigError


def jpeg(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 12, 3), value, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for split in ("train", "test"):
            for number in range(3):
                for value, name in ((10, "cat"), (200, "dog")):
                    file.writestr(f"{split}/{name}/{number:04d}.jpg", jpeg(value + number))
    return path


def test_archive_orders_images_so_that_any_leading_part_is_balanced(archive: Path) -> None:
    dataset = open_dataset("cifar10-archive", path=str(archive), seed=0)
    assert dataset.class_names == ("cat", "dog")
    assert [dataset.sample("test", index).label for index in range(4)] == [0, 1, 0, 1]
    assert dataset.sample("test", 1).image.mean() == pytest.approx(200, abs=2)


def test_archive_fingerprint_changes_with_one_image(archive: Path) -> None:
    before = open_dataset("cifar10-archive", path=str(archive), seed=0).fingerprint
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("test/cat/0003.jpg", jpeg(90))
    assert open_dataset("cifar10-archive", path=str(archive), seed=0).fingerprint != before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "photos" / name / f"{number}.jpg").write_bytes(jpeg(number))
    return tmp_path / "photos"


def test_folder_without_splits_sets_some_images_aside_for_calibration(folder: Path) -> None:
    dataset = open_dataset("image-folder", path=str(folder), seed=0)
    names = [{dataset.sample(split, i).key for i in range(dataset.size(split))} for split in ("train", "test")]
    assert names[0]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 40


def test_labels_csv_gives_class_indices_and_names(folder: Path) -> None:
    (folder / "labels.csv").write_text("path,class_index,class_name\ncat/1.jpg,5,tabby\ndog/2.jpg,7,hound\n")
    dataset = open_dataset("image-folder", path=str(folder), seed=0)
    assert (len(dataset.class_names), dataset.class_names[5], dataset.class_names[6]) == (8, "tabby", "6")


def test_an_image_that_breaks_after_its_header_is_named_when_it_is_read(folder: Path) -> None:
    for photo in folder.rglob("*.jpg"):
        Image.effect_noise((40, 40), 50).save(photo)
        photo.write_bytes(photo.read_bytes()[:-200])
    dataset = open_dataset("image-folder", path=str(folder), seed=0)
    with pytest.raises(ConfigError, match="could not be read as an image"):
        dataset.sample("test", 0)


def test_options_of_other_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'\[dataset\] exif: kind "planted" takes none'):
        open_dataset("planted", path=None, seed=0, exif="apply")


def test_npz_gives_images_labels_and_masks(tmp_path: Path) -> None:
    images, masks = np.full((2, 4, 4, 3), 9, np.uint8), np.eye(4, dtype=bool)[None].repeat(2, 0)
    np.savez(tmp_path / "d.npz", test_images=images, test_labels=[1, 0], test_masks=masks)
    dataset = open_dataset("npz", path=str(tmp_path / "d.npz"), seed=0)
    sample = dataset.sample("test", 0)
    assert (dataset.size("test"), dataset.size("train"), sample.label) == (2, 0, 1)
    np.testing.assert_array_equal(sample.mask, np.eye(4, dtype=bool))


@pytest.mark.parametrize(
    ("kind", "content", "sentence"),
    [
        ("cifar10-archive", None, "found no file"),
        ("cifar10-archive", b"text", "expected the archive cifar-10-python.tar.gz .* is neither"),
        ("npz", b"text", "expected an .npz file of arrays"),
        ("image-folder", b"text", "expected a folder of images"),
    ],
)
def test_wrong_path_is_one_sentence(tmp_path: Path, kind: str, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "thing"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        open_dataset(kind, path=str(path), seed=0)


def test_npz_of_the_wrong_dtype_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", test_images=np.zeros((2, 4, 4, 3)), test_labels=[1, 0])
    with pytest.raises(ConfigError, match=r"expected uint8 \(N, H, W, C\) of 1 to 16 channels, or .*, got float64"):
        open_dataset("npz", path=str(tmp_path / "d.npz"), seed=0)


def test_kind_that_reads_files_needs_a_path() -> None:
    with pytest.raises(ConfigError, match=r"\[dataset\] path: expected one"):
        open_dataset("npz", path=None, seed=0)
