"""Masks and boxes of image folders and npz files: read right, followed by the geometry, refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.annotations import Box, boxes_as_mask
from harness.datasets.dataset import Sample
from harness.datasets.dataset_kinds import open_dataset
from harness.datasets.geometry import fit_image, fit_mask
from harness.datasets.image_folder import ImageFolder
from harness.errors import ConfigError

HEIGHT, WIDTH = 6, 10
OBJECT = np.zeros((HEIGHT, WIDTH), bool)
OBJECT[1:4, 2:7] = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images under train/ and test/, none annotated."""
    for name in ("train/cat/1", "train/dog/2", "test/cat/3", "test/dog/4"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path)
    return tmp_path


def sample_of(folder: Path, name: str) -> Sample:
    dataset = open_dataset("image-folder", path=str(folder), seed=0)
    samples = (dataset.sample(split, i) for split in ("train", "test") for i in range(dataset.size(split)))
    return next(sample for sample in samples if sample.key == name)


def save_mask(folder: Path, values: np.ndarray, name: str = "test/cat/3", mode: str | None = None) -> Path:
    path = folder / "masks" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values, mode).save(path)
    return path


def voc(*boxes: tuple[str, int, int, int, int]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        "</bndbox></object>"
        for name, x0, y0, x1, y1 in boxes
    )
    return f"<annotation>{objects}</annotation>"


# ------------------------------------------------------------------------------------------------------------- masks
@pytest.mark.parametrize(
    "values",
    [
        OBJECT.astype(np.uint8),
        OBJECT.astype(np.uint8) * 255,
        OBJECT,
        OBJECT.astype(np.uint16) * 256,
        np.stack([np.zeros_like(OBJECT), OBJECT, np.zeros_like(OBJECT)], axis=-1).astype(np.uint8),
        np.dstack([OBJECT.astype(np.uint8)] * 3 + [np.full((HEIGHT, WIDTH), 255, np.uint8)]),
    ],
    ids=["ones", "white", "one bit", "sixteen bits", "green", "opaque colour"],
)
def test_any_value_but_zero_is_the_object(folder: Path, values: np.ndarray) -> None:
    save_mask(folder, values)
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)


def test_palette_mask_counts_by_index_and_not_by_colour(folder: Path) -> None:
    picture = Image.fromarray(OBJECT.astype(np.uint8), "P")
    picture.putpalette([255, 255, 255, 0, 0, 0] + [0] * 762)  # the background is white
    path = save_mask(folder, OBJECT)
    picture.save(path)
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)


def test_masks_are_no_images_and_no_class(folder: Path) -> None:
    before = open_dataset("image-folder", path=str(folder), seed=0)
    save_mask(folder, OBJECT)
    after = open_dataset("image-folder", path=str(folder), seed=0)
    assert after.class_names == before.class_names == ("cat", "dog")
    assert (after.size("train"), after.size("test")) == (2, 2)


def test_images_without_annotation_have_no_mask(folder: Path) -> None:
    assert sample_of(folder, "test/cat/3.png").mask is None
    save_mask(folder, OBJECT)
    assert sample_of(folder, "test/dog/4.png").mask is None


def test_mask_is_resized_and_cropped_with_its_image(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:40] = True
    image = np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    record = {"height": 16, "width": 16, "resize": 20, "mean": [0.0] * 3}
    bright = fit_image(image, record)[..., 0] > 127
    np.testing.assert_array_equal(fit_mask(mask, record), bright)


# ------------------------------------------------------------------------------------------------------------- boxes
@pytest.mark.parametrize("path", ["Annotations/test/cat/3.xml", "Annotations/3.xml", "test/cat/3.xml"])
def test_voc_box_counts_pixels_from_one_and_includes_the_last(folder: Path, path: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(voc(("cat", 3, 2, 7, 4)))
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)


def test_voc_box_of_the_whole_image_covers_it(folder: Path) -> None:
    for first in (0, 1):  # some tools count from 0
        (folder / "test/cat/3.xml").write_text(voc(("cat", first, first, WIDTH, HEIGHT)))
        mask = sample_of(folder, "test/cat/3.png").mask
        assert mask is not None
        assert mask.all()


def test_of_several_objects_those_of_the_images_class_count(folder: Path) -> None:
    (folder / "test/cat/3.xml").write_text(voc(("cat", 3, 2, 7, 4), ("sofa", 1, 1, 10, 6)))
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)


def test_all_objects_count_where_none_has_the_images_class(folder: Path) -> None:
    (folder / "test/cat/3.xml").write_text(voc(("n01", 3, 2, 7, 3), ("n02", 3, 4, 7, 4)))
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)


def test_xml_without_objects_says_nothing(folder: Path) -> None:
    (folder / "test/cat/3.xml").write_text(voc())
    assert sample_of(folder, "test/cat/3.png").mask is None


def test_csv_boxes_are_pixel_edges_and_several_rows_are_several_boxes(folder: Path) -> None:
    (folder / "labels.csv").write_text(
        "path,class_index,x_min,y_min,x_max,y_max\n"
        "test/cat/3.png,0,2,1,5,4\n"
        "test/cat/3.png,0,5,1,7,4\n"
        "test/dog/4.png,1,,,,\n"
        "train/cat/1.png,0,0,0,10,6\n"
    )
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)
    assert sample_of(folder, "test/dog/4.png").mask is None
    dataset = ImageFolder(folder)
    assert dataset.size("train") + dataset.size("test") == 3


def test_mask_counts_before_boxes(folder: Path) -> None:
    save_mask(folder, OBJECT)
    (folder / "test/cat/3.xml").write_text(voc(("cat", 1, 1, 10, 6)))
    np.testing.assert_array_equal(sample_of(folder, "test/cat/3.png").mask, OBJECT)


edges = st.tuples(st.integers(0, 19), st.integers(1, 20)).filter(lambda edge: edge[0] < edge[1])


@given(boxes=st.lists(st.tuples(edges, edges), max_size=4))
def test_mask_of_boxes_is_the_pixels_whose_centre_is_in_any(boxes: list[tuple[tuple[int, int], ...]]) -> None:
    made = [Box(x_min=x[0], x_max=x[1], y_min=y[0], y_max=y[1]) for x, y in boxes]
    centre = np.arange(20) + 0.5
    expected = np.zeros((20, 20), bool)
    for x, y in boxes:
        expected |= np.outer((centre > y[0]) & (centre < y[1]), (centre > x[0]) & (centre < x[1]))
    np.testing.assert_array_equal(boxes_as_mask(made, height=20, width=20, where=""), expected)


# ------------------------------------------------------------------------------------------------------- fingerprint
def test_fingerprint_changes_with_a_mask_and_with_a_box(folder: Path) -> None:
    seen = [ImageFolder(folder).fingerprint]
    (folder / "test/cat/3.xml").write_text(voc(("cat", 3, 2, 7, 4)))
    seen.append(ImageFolder(folder).fingerprint)
    (folder / "test/cat/3.xml").write_text(voc(("cat", 3, 2, 7, 5)))  # as many bytes
    seen.append(ImageFolder(folder).fingerprint)
    save_mask(folder, OBJECT)
    seen.append(ImageFolder(folder).fingerprint)
    save_mask(folder, ~OBJECT)
    seen.append(ImageFolder(folder).fingerprint)
    assert len(set(seen)) == len(seen)


def test_fingerprint_changes_with_a_box_in_the_csv(folder: Path) -> None:
    seen = set()
    for box in ("", ",,,", "0,0,9,6", "0,0,8,6"):
        header = "path,class_index" + (",x_min,y_min,x_max,y_max" if box else "")
        (folder / "labels.csv").write_text(f"{header}\ntest/cat/3.png,0{',' + box if box else ''}\n")
        seen.add(ImageFolder(folder).fingerprint)
    assert len(seen) == 3  # empty cells say as little as no cells


# ---------------------------------------------------------------------------------------------------------- refusals
def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        sample_of(folder, "test/cat/3.png")
    return str(caught.value)


def test_mask_of_another_size_is_refused(folder: Path) -> None:
    save_mask(folder, np.ones((5, 10), np.uint8))
    assert "expected the 10x6 pixels of its image, got 10x5" in refusal(folder)


def test_broken_mask_is_named(folder: Path) -> None:
    path = save_mask(folder, OBJECT)
    path.write_bytes(path.read_bytes()[:40])
    assert f'"{path}" could not be read as a mask' in refusal(folder)


def test_broken_xml_is_named(folder: Path) -> None:
    (folder / "test/cat/3.xml").write_text("<annotation><object>")
    assert '3.xml" could not be read as VOC XML' in refusal(folder)


def test_xml_box_without_numbers_is_refused(folder: Path) -> None:
    (folder / "test/cat/3.xml").write_text("<annotation><object><name>cat</name></object></annotation>")
    assert "expected an object's bndbox with the numbers xmin, ymin, xmax, ymax, got None" in refusal(folder)


@pytest.mark.parametrize("box", [(3, 2, 11, 4), (3, 2, 7, 7), (-2, 2, 7, 4), (7, 2, 3, 4)])
def test_box_outside_the_image_is_refused(folder: Path, box: tuple[int, int, int, int]) -> None:
    (folder / "test/cat/3.xml").write_text(voc(("cat", *box)))
    assert "expected a box inside the 10x6 image" in refusal(folder)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("test/cat/3.png,0,0,0,11,6", "expected a box inside the 10x6 image, got x 0 to 11"),
        ("test/cat/3.png,0,0,0,nan,6", "expected a box inside the 10x6 image"),
        ("test/cat/3.png,0,0,0,,6", 'line 2: expected four numbers for a box, got x_min "0", y_min "0", x_max ""'),
        ("test/cat/3.png,0,0,0,9,6\ntest/cat/3.png,1,0,0,9,6", 'line 3: "test/cat/3.png" has class 1 here and class 0'),
        ("test/cat/3.png,cat,0,0,9,6", 'line 2: expected an integer class_index from 0 to 99,999, got "cat"'),
    ],
)
def test_mistakes_in_the_csv_are_one_sentence(folder: Path, rows: str, sentence: str) -> None:
    (folder / "labels.csv").write_text(f"path,class_index,x_min,y_min,x_max,y_max\n{rows}\n")
    assert sentence in refusal(folder)


def test_masks_that_fit_no_image_are_refused(folder: Path) -> None:
    save_mask(folder, OBJECT, name="3")
    assert "none of its 1 files has the path of an image" in refusal(folder)
    assert '"masks/test/' in refusal(folder)


def test_photos_among_the_masks_are_refused(folder: Path) -> None:
    save_mask(folder, OBJECT).rename(folder / "masks" / "1.jpg")
    assert 'expected .png files only, got "1.jpg"' in refusal(folder)


def test_one_xml_for_two_images_is_refused(folder: Path) -> None:
    (folder / "test/cat/3.png").rename(folder / "test/cat/4.png")
    (folder / "Annotations").mkdir()
    (folder / "Annotations/4.xml").write_text(voc(("cat", 1, 1, 2, 2)))
    assert "fits 2 images" in refusal(folder)


@pytest.mark.parametrize("masks", [np.zeros((2, 4, 5)), np.zeros((1, 4, 4)), np.full((2, 4, 4), "a")])
def test_npz_masks_of_another_shape_are_refused(tmp_path: Path, masks: np.ndarray) -> None:
    np.savez(tmp_path / "d.npz", test_images=np.zeros((2, 4, 4, 3), np.uint8), test_labels=[1, 0], test_masks=masks)
    with pytest.raises(ConfigError, match=r"test_masks: expected numbers \(2, 4, 4\)"):
        open_dataset("npz", path=str(tmp_path / "d.npz"), seed=0)
