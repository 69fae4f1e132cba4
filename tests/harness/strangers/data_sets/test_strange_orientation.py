"""Photographs that are stored lying down: turned upright as every viewer does, unless it is said otherwise."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from harness.datasets.pictures import read_picture
from tests.harness.strangers.data_sets.strange_folders import (
    chunk,
    encoded,
    one_picture,
    opened,
    put,
    refusal,
    said,
)

CORNERS = Image.fromarray(np.kron(np.array([[10, 90, 90], [170, 250, 250]], np.uint8), np.ones((8, 8), np.uint8)))


def turned(orientation: int, format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(CORNERS.convert("RGB"), format, exif=exif.tobytes())


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_as_its_exif_data_says(folder: Path, format: str, orientation: int) -> None:
    content = turned(orientation, format)
    with Image.open(io.BytesIO(content)) as stored:
        upright, as_stored = (np.asarray(each.convert("RGB")) for each in (ImageOps.exif_transpose(stored), stored))
    image, dataset = one_picture(folder, content, suffix=".jpg")
    np.testing.assert_array_equal(image, upright)
    assert ("1 of 3 pictures: turned upright" in said(dataset)) == (orientation > 1)
    ignoring = opened(folder, exif="ignore")
    np.testing.assert_array_equal(ignoring.sample("test", 0).image, as_stored)
    assert ("1 of 3 pictures: not turned as" in said(ignoring)) == (orientation > 1)


def test_exif_data_behind_the_pixels_of_a_png_counts_as_well(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = encoded(CORNERS)
    content = plain[:-12] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + plain[-12:]
    image, dataset = one_picture(folder, content)
    np.testing.assert_array_equal(image[..., 0], np.rot90(np.asarray(CORNERS), -1))
    assert "1 of 3 pictures: turned upright" in said(dataset)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"])
def test_broken_exif_data_turns_nothing(folder: Path, data: bytes) -> None:
    image, _ = one_picture(folder, encoded(CORNERS, "JPEG", exif=b"Exif\0\0" + data), suffix=".jpg")
    assert image.shape == (16, 24, 3)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_turns_nothing(folder: Path, orientation: int) -> None:
    image, dataset = one_picture(folder, turned(orientation), suffix=".jpg")
    assert image.shape == (16, 24, 3)
    assert "Exif" not in said(dataset)


def test_boxes_and_masks_of_turned_pictures_ask_in_which_pixels_they_count(folder: Path) -> None:
    put(folder, "cat")
    (folder / "cat" / "0.jpg").write_bytes(turned(6))
    (folder / "labels.csv").write_text("path,class_index,x_min,y_min,x_max,y_max\ncat/0.jpg,0,0,0,16,8\n")
    assert '[dataset] exif: expected "apply" or "ignore", got none: the Exif data of 1 pictures' in refusal(folder)
    shapes = {}
    for exif in ("apply", "ignore"):
        dataset = opened(folder, exif=exif)
        sample = dataset.sample("test" if dataset.size("test") else "train", 0)
        assert sample.mask is not None
        shapes[exif] = (sample.image.shape[:2], sample.mask.shape, int(sample.mask.sum()))
    assert shapes == {"apply": ((24, 16), (24, 16), 128), "ignore": ((16, 24), (16, 24), 128)}


def test_explain_turns_a_photo_as_a_data_set_does_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.cli.explain_files import check_pictures

    (folder / "photo.jpg").write_bytes(turned(6))
    check_pictures([folder / "photo.jpg"])
    assert capsys.readouterr().err == f'image "{folder}/photo.jpg": turned upright as the Exif data says\n'
    assert read_picture(folder / "photo.jpg", where="image").shape == (24, 16, 3)


def test_a_photo_with_a_second_picture_inside_is_the_first_one(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [CORNERS.convert("RGB"), Image.new("RGB", (24, 16))]
    content = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:], exif=exif)  # as telephones write it
    image, dataset = one_picture(folder, content, suffix=".jpg")
    assert image.shape == (24, 16, 3)
    assert image.mean() > 100
    assert "animation" not in said(dataset)
