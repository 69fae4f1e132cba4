"""`.npz` files and zip archives from strangers: nothing is allocated before the header fits the bytes."""

from __future__ import annotations

import io
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.datasets.cifar10_archive import Cifar10Archive
from harness.datasets.npz import NpzDataset
from harness.errors import ConfigError

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
LABELS = np.array([0, 1])


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def array_file(shape: object, *, descr: str = "|u1", content: bytes = b"", fortran: bool = False) -> bytes:
    """A .npy file whose header says what it likes."""
    header = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def packed(path: Path, images: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("test_images.npy", images)
        archive.writestr("test_labels.npy", array_file((2,), content=b"\0\1"))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        NpzDataset(path)
    assert str(caught.value).startswith("[dataset] path: ")
    return str(caught.value)


# -------------------------------------------------------------------------------------------------------------- .npz
@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_npz_is_a_sentence(tmp_path: Path, part: float) -> None:
    path = saved(tmp_path / "d.npz", test_images=IMAGES, test_labels=LABELS)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert "expected an .npz file of arrays" in refusal(path)


@pytest.mark.parametrize(
    ("shape", "descr"),
    [
        ((10**14, 1, 1, 3), "|u1"),
        ((2**62, 2**62, 4, 3), "|u1"),
        ((-2, -4, 4, 3), "|u1"),
        ((2, 4, 4, 3), ">u2"),
        ((1, 4, 4, 3), "|u1"),
        ((2, 4, 4, 3), "|O"),
        ((2, 4, 4, 3), "|V0"),
        (("2", 4), "|u1"),
        (7, "|u1"),
        ((2, 4, 4, 3), "nonsense"),
    ],
)
def test_a_header_that_does_not_fit_its_bytes_is_a_sentence(tmp_path: Path, shape: object, descr: str) -> None:
    assert "test_images.npy" in refusal(packed(tmp_path / "d.npz", array_file(shape, descr=descr, content=bytes(96))))


@pytest.mark.parametrize("header", [b"{", b"{'descr'", b"[" * 3000, b"lambda: 0", b"\xff" * 50, b"{'a': 1}  \n\t\t'"])
def test_a_header_that_is_no_python_is_a_sentence(tmp_path: Path, header: bytes) -> None:
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(96)
    assert "test_images.npy" in refusal(packed(tmp_path / "d.npz", content))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("test_images.npy", "w", force_zip64=True) as file:
            file.write(array_file((3 * 2**28, 1, 1, 3)))
            for _ in range(36):
                file.write(bytes(2**26))
        archive.writestr("test_labels.npy", array_file((2,), content=b"\0\1"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "unpacks to" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB


def test_sizes_that_the_bytes_cannot_hold_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "d.npz", array_file((2**30, 1, 1, 1)), zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")  # the first one of the list: its size stands 24 bytes behind
    content[entry + 24 : entry + 28] = (2**30 + 128).to_bytes(4, "little")
    path.write_bytes(content)
    assert "more than its part of the file can hold" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_without_a_bound_is_refused(tmp_path: Path, method: int) -> None:
    path = packed(tmp_path / "d.npz", array_file((2, 4, 4, 3), content=bytes(96)), method)
    assert "not deflate" in refusal(path)


def test_an_array_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "d.npz", array_file((2, 4, 4, 3), content=bytes(96)))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("test_labels.npy", array_file((2,), content=b"\1\0"))
    assert "more than once" in refusal(path)


def test_other_arrays_are_not_even_unpacked(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", test_images=IMAGES, test_labels=LABELS, notes=np.array([{}], object))
    assert NpzDataset(path).size("test") == 2


@pytest.mark.parametrize("compressed", [True, False])
def test_the_order_of_an_array_in_the_file_changes_nothing(tmp_path: Path, compressed: bool) -> None:
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "d.npz", test_images=np.asfortranarray(IMAGES), test_labels=LABELS.astype(">i8"))
    dataset = NpzDataset(tmp_path / "d.npz")
    np.testing.assert_array_equal(dataset.sample("test", 1).image, IMAGES[1])
    assert dataset.sample("test", 1).label == 1


@pytest.mark.parametrize(
    "labels",
    [
        [0, np.nan],
        [0, np.inf],
        [0, 1.5],
        [0, -1],
        [0, 10**12],
        [0, 1e12],
        [0, 100_000],
        np.array([0, 2**63], np.uint64),
    ],
    ids=str,
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_label_is_a_whole_number_of_a_class_that_can_be(tmp_path: Path, labels: object, split: str) -> None:
    arrays = {"test_images": IMAGES, "test_labels": LABELS, f"{split}_images": IMAGES, f"{split}_labels": labels}
    message = refusal(saved(tmp_path / "d.npz", **arrays))
    assert f"{split}_labels: expected whole numbers from 0 to 99,999, got " in message
    assert message.endswith("for image 1")


@pytest.mark.parametrize("labels", [["a", "b"], [True, False], [[0, 2], [1, 0]], [0], [0j, 1j], [None, 0]], ids=str)
def test_labels_that_are_no_numbers_or_too_few_are_a_sentence(tmp_path: Path, labels: object) -> None:
    assert "test_labels" in refusal(saved(tmp_path / "d.npz", test_images=IMAGES, test_labels=np.array(labels)))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"test_labels": LABELS}, "expected arrays test_images and test_labels"),
        ({"a": LABELS}, "expected arrays test_images"),
        ({"test_images": IMAGES[:0], "test_labels": LABELS[:0]}, "expected at least one image"),
        ({"test_images": IMAGES[:, :0], "test_labels": LABELS}, "expected at least one image"),
        ({"test_images": IMAGES, "test_labels": [0, 2], "class_names": ["a", "b"]}, "from 0 to 1, got 2"),
        ({"test_images": IMAGES, "test_labels": LABELS, "class_names": [["a", "b"]]}, "class_names: expected texts"),
        ({"test_images": IMAGES, "test_labels": LABELS, "test_masks": np.full((2, 4, 4), np.nan)}, "got NaN"),
    ],
)
def test_arrays_that_do_not_go_together_are_a_sentence(tmp_path: Path, arrays: dict, sentence: str) -> None:
    assert sentence in refusal(saved(tmp_path / "d.npz", **arrays))


@given(data=st.data())
def test_a_changed_npz_is_a_data_set_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = saved(tmp_path_factory.mktemp("npz") / "d.npz", test_images=IMAGES, test_labels=LABELS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        NpzDataset(path).sample("test", 0)
    except ConfigError as error:
        assert str(error).startswith("[dataset] path")  # noqa: PT017


# ------------------------------------------------------------------------------------------------- archives of JPEGs
def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(buffer, "JPEG")
    return buffer.getvalue()


def archived(path: Path, **extra: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"train/cat/0.jpg": jpeg(), "test/cat/0.jpg": jpeg(), **extra}.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["train/../0.jpg", "test/../../etc/0.jpg", "train/cat/dog/0.jpg", "test/0.jpg", "train/a\\b/0.jpg", "test//0.jpg"],
)
def test_a_place_that_is_not_one_of_a_class_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a place like train/<class>/N.jpg"):
        Cifar10Archive(archived(tmp_path / "c.zip", **{name: jpeg()}))


def test_a_class_that_only_the_test_split_has_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'"dog" in "test" and not in "train"'):
        Cifar10Archive(archived(tmp_path / "c.zip", **{"test/dog/0.jpg": jpeg()}))


def test_a_bomb_among_the_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unpacks to 67,108,864 bytes"):
        Cifar10Archive(archived(tmp_path / "c.zip", **{"train/cat/1.jpg": bytes(2**26)}))


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n", jpeg()[:40]])
def test_what_is_no_picture_is_named_inside_its_archive(tmp_path: Path, content: bytes) -> None:
    dataset = Cifar10Archive(archived(tmp_path / "c.zip", **{"test/cat/1.jpg": content}))
    with pytest.raises(ConfigError, match=r"c.zip/test/cat/1.jpg\" could not be read as an image"):
        dataset.sample("test", 1)


def test_a_picture_whose_bytes_are_damaged_is_a_sentence(tmp_path: Path) -> None:
    path = archived(tmp_path / "c.zip")
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    dataset = Cifar10Archive(path)
    with pytest.raises(ConfigError, match="expected a CIFAR-10 zip archive"):
        dataset.sample("train", 0)


def test_a_list_of_millions_of_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.datasets.zip_files.MOST_LISTED", 100)
    with pytest.raises(ConfigError, match="its list of files has more than"):
        Cifar10Archive(archived(tmp_path / "c.zip"))


def test_a_list_whose_length_stands_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)  # so that it is written as for 65,536 files
    with pytest.raises(ConfigError, match="zip64"):
        Cifar10Archive(archived(tmp_path / "c.zip"))
