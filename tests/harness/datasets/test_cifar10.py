"""CIFAR-10 as its authors distribute it, in every form the same data set; from a stranger, one sentence."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.cifar10 import open_cifar10
from harness.datasets.cifar10_archive import CLASS_NAMES
from harness.datasets.dataset_kinds import kind_of, open_dataset
from harness.datasets.pickled import PickledArray, read_pickle
from harness.errors import ConfigError
from tests.harness.datasets.cifar10_files import (
    LABELS,
    PER_BATCH,
    PIXELS,
    Python2,
    archive,
    binary_files,
    python_files,
    unpacked,
)

FORMS: dict[str, Callable[[Path], Path]] = {
    "cifar-10-python.tar.gz": lambda path: archive(path, python_files()),
    "cifar-10-python.tar": lambda path: archive(path, python_files(), mode="w"),
    "cifar-10-binary.tar.gz": lambda path: archive(path, binary_files(), folder="cifar-10-batches-bin"),
    "cifar-10-batches-py": lambda path: unpacked(path, python_files()),
    "cifar-10-batches-bin": lambda path: unpacked(path, binary_files()),
    "around": lambda path: unpacked(path / "cifar-10-batches-py", python_files()).parent,
}


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        open_cifar10(path)
    assert str(caught.value).startswith("[dataset] path: ")
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_the_same_data_set(tmp_path: Path, form: str) -> None:
    path, reference = FORMS[form](tmp_path / form), open_cifar10(archive(tmp_path / "r.tar.gz", python_files()))
    dataset = open_dataset(kind_of(str(path)), path=str(path), seed=0)
    assert dataset.fingerprint == reference.fingerprint
    assert (dataset.size("test"), dataset.size("train")) == (PER_BATCH, 5 * PER_BATCH)
    assert dataset.class_names == CLASS_NAMES
    for split in ("test", "train"):
        for index in range(dataset.size(split)):
            sample = dataset.sample(split, index)
            name, row = sample.key.split("/")
            assert sample.label == LABELS[name][int(row)]
            assert sample.image.shape == (32, 32, 3)
            np.testing.assert_array_equal(sample.image.transpose(2, 0, 1).ravel(), PIXELS[name][int(row)])


def test_a_leading_part_of_a_split_has_all_classes(tmp_path: Path) -> None:
    dataset = open_cifar10(archive(tmp_path / "c.tar.gz", python_files()))
    assert sorted({dataset.sample("train", index).label for index in range(10)}) == list(range(10))


def test_classes_of_another_name_are_those_of_the_file(tmp_path: Path) -> None:
    files = {**python_files(), "batches.meta": Python2().pickled({"label_names": [f"c{n}" for n in range(10)]})}
    assert open_cifar10(archive(tmp_path / "c.tar.gz", files)).class_names[9] == "c9"
    files["batches.meta"] = Python2().pickled({"label_names": ["one", "two"]})
    assert "expected labels from 0 to 1, got 3 for image 1" in refusal(archive(tmp_path / "d.tar.gz", files))


@pytest.mark.parametrize("protocol", range(5))
def test_batches_that_python_3_wrote_again_are_read(protocol: int) -> None:
    pixels = PIXELS["test_batch"]
    stored = read_pickle(pickle.dumps({"labels": [7, 300, -1], "data": pixels, b"n": [b"\xff", "ü"]}, protocol))
    assert stored == {
        "labels": [7, 300, -1],
        "data": PickledArray(shape=pixels.shape, values=pixels.tobytes()),
        "n": [b"\xff", "ü"],
    }


# ---------------------------------------------------------------------------------------------------- from strangers
class Acts:
    """Unpickled by Python, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._folder),)


@pytest.mark.parametrize("protocol", range(5))
def test_a_pickle_that_acts_is_refused_and_does_nothing(tmp_path: Path, protocol: int) -> None:
    files = {**python_files(), "data_batch_2": pickle.dumps({"data": Acts(tmp_path / "made")}, protocol)}
    said = refusal(archive(tmp_path / "c.tar.gz", files))
    assert "data_batch_2: expected a part of CIFAR-10, got a pickle that names posix.mkdir" in said
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x80\x02cos\nsystem\nU\x04true\x85R.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"(ios\nsystem\n.",  # INST
        b"\x80\x02Pid\n.",
        b"N" + b"r\xff\xff\xff\x7f" + b".",  # 32 GiB in the memo of Python's own reader: a number like any other here
        b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",  # bytes that do not follow
        b"\x80\x05\x96" + struct.pack("<Q", 2**60) + b"x.",
        b"N" + b"\x85" * 200_000 + b".",
        b"}N" + b"\x85" * 200_000 + b"Ns.",  # a key whose hash has no end
        b"]q\x00h\x00a.",
        b"N" * 1_000_001 + b".",
        b".",
        b"(.",
        b"tt.",
        b"h\x05.",
        b"",
        b"\x80\x02cnumpy\ndtype\nU\x02O8\x85R.",
        b"\x80\x02cnumpy\nndarray\n\x8a\x08" + b"\xff" * 7 + b"\x7f\x85R.",
    ],
)
def test_a_pickle_of_anything_else_is_a_sentence(tmp_path: Path, hostile: bytes) -> None:
    files = {**python_files(), "test_batch": hostile}
    assert "test_batch: expected a part of CIFAR-10, got " in refusal(archive(tmp_path / "c.tar.gz", files))


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({"labels": [1]}, "a pickle without data and labels"),
        ({"labels": [1], "data": [1]}, "whose data is not an array"),
        ({"labels": [1], "data": PIXELS["test_batch"]}, "4 images and 1 labels"),
        ({"labels": [], "data": PIXELS["test_batch"][:0]}, "0 images"),
        ({"labels": [1] * 4, "data": PIXELS["test_batch"][:, :9]}, "shape (4, 9), expected (images, 3072)"),
        ({"labels": ["cat"] * 4, "data": PIXELS["test_batch"]}, "labels that are not class indices"),
    ],
)
def test_a_batch_of_another_shape_is_a_sentence(tmp_path: Path, batch: dict[str, object], said: str) -> None:
    assert said in refusal(archive(tmp_path / "c.tar.gz", {**python_files(), "test_batch": Python2().pickled(batch)}))


def test_an_array_that_says_more_than_it_holds_is_a_sentence(tmp_path: Path) -> None:
    said = python_files()["test_batch"].replace(b"M" + struct.pack("<H", PER_BATCH), b"J\xff\xff\xff\x7f")
    assert "12,288 bytes and shape (2147483647, 3072)" in refusal(
        archive(tmp_path / "c.tar.gz", {**python_files(), "test_batch": said})
    )


def test_a_binary_batch_of_broken_length_is_a_sentence(tmp_path: Path) -> None:
    files = binary_files()
    files["data_batch_1.bin"] = files["data_batch_1.bin"][:-1]
    assert "12,291 bytes, expected 3,073 for each image" in refusal(unpacked(tmp_path / "c", files))


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    files = python_files()
    del files["data_batch_3"]
    assert 'found no "data_batch_3"' in refusal(archive(tmp_path / "c.tar.gz", files))
    assert "whole" in refusal(unpacked(tmp_path / "cifar-10-batches-py", files))


def test_cifar_100_is_told_by_its_files(tmp_path: Path) -> None:
    path = archive(tmp_path / "cifar-100-python.tar.gz", {"train": b".", "test": b".", "meta": b"."})
    assert "CIFAR-10, not CIFAR-100" in refusal(path)


def test_a_batch_that_is_there_twice_is_a_sentence(tmp_path: Path) -> None:
    both = {**python_files(), **binary_files()}
    assert "expected one file test_batch, got a second" in refusal(archive(tmp_path / "c.tar.gz", both))
    assert "expected one file test_batch, got a second" in refusal(unpacked(tmp_path / "c", both))


def test_a_link_that_leads_out_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "c", binary_files())
    (folder / "test_batch.bin").rename(tmp_path / "elsewhere")
    (folder / "test_batch.bin").symlink_to(tmp_path / "elsewhere")
    assert "is a link that leads out of the data set" in refusal(folder)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_in_an_archive_is_a_sentence(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    assert "test_batch is not a plain file" in refusal(tmp_path / "c.tar.gz")


def test_names_that_climb_out_reach_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "c.tar.gz", python_files(), folder="../../outside")
    assert open_cifar10(path).size("test") == PER_BATCH
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.tar.gz"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    member = tarfile.TarInfo("cifar-10-batches-py/readme.html")
    member.size = 2**33
    path = tmp_path / "c.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf()) + gzip.compress(bytes(2**20)) * 520)
    assert "it unpacks to more than 512 MiB" in refusal(tmp_path / "c.tar.gz")


def test_a_file_of_an_archive_that_is_too_large_is_a_sentence(tmp_path: Path) -> None:
    member = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    member.size = 2**40
    (tmp_path / "c.tar").write_bytes(member.tobuf() + bytes(1024))
    assert "test_batch has 1,099,511,627,776 bytes, 67,108,864 at most are read" in refusal(tmp_path / "c.tar")


def test_an_archive_of_many_files_is_a_sentence(tmp_path: Path) -> None:
    path = archive(tmp_path / "c.tar.gz", {f"{number}.txt": b"" for number in range(200)})
    assert "it holds more than 100 files" in refusal(path)


@pytest.mark.parametrize("part", [0.01, 0.3, 0.9])
def test_a_truncated_archive_is_a_sentence(tmp_path: Path, part: float) -> None:
    path = archive(tmp_path / "c.tar.gz", python_files())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert "expected the archive cifar-10-python.tar.gz" in refusal(path)


WHOLE = io.BytesIO()
with tarfile.open(fileobj=WHOLE, mode="w") as _tar:
    for _name, _content in python_files().items():
        _member = tarfile.TarInfo(_name)
        _member.size = len(_content)
        _tar.addfile(_member, io.BytesIO(_content))


@given(
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), head=st.booleans()
)
def test_a_changed_archive_is_a_data_set_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]], head: bool
) -> None:
    content = bytearray(WHOLE.getvalue())
    for place, value in places:  # in the headers and opcodes, not in pixels alone
        content[place % (1024 if head else len(content))] = value
    path = tmp_path_factory.mktemp("c") / "c.tar"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert open_cifar10(path).size("test") >= 1


@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        read_pickle(content)
