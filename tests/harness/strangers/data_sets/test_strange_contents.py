"""Pictures that change behind one's back: the same names, sizes and times, and other pixels."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from harness.datasets import contents
from harness.datasets.dataset_kinds import open_dataset
from tests.harness.strangers.data_sets.strange_folders import (
    RED,
    opened,
    put,
)


def replaced(path: Path, content: bytes) -> None:
    """Another content of the same length, with the times that the file had."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def bmp(red: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 0)).save(buffer, "BMP")
    return buffer.getvalue()


@pytest.mark.parametrize("settled_ns", [contents.SETTLED_NS, -(10**18)], ids=["just written", "remembered"])
def test_a_picture_replaced_by_another_of_its_size_and_time_is_another_data_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settled_ns: int
) -> None:
    monkeypatch.setattr(contents, "SETTLED_NS", settled_ns)
    put(folder, "cat", "dog")
    (folder / "cat" / "9.bmp").write_bytes(bmp(10))
    before = opened(folder).fingerprint
    assert opened(folder).fingerprint == before
    until_the_clock_ticks(folder)
    replaced(folder / "cat" / "9.bmp", bmp(11))
    assert opened(folder).fingerprint != before
    until_the_clock_ticks(folder)
    replaced(folder / "cat" / "9.bmp", bmp(10))
    assert opened(folder).fingerprint == before


def until_the_clock_ticks(folder: Path) -> None:
    """Until a file that changes now has another time than one that changed before."""
    probe = folder.parent / "probe"
    probe.write_bytes(b"")
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        probe.write_bytes(b"")


def test_what_was_just_written_is_not_remembered(folder: Path) -> None:  # it may change again within one tick
    put(folder, "cat", "dog")
    opened(folder)
    cache = contents.cache_file(folder)
    assert cache is not None
    assert not cache.exists()


def test_what_is_remembered_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**18))
    put(folder, "cat", "dog")
    before = opened(folder)

    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(contents, "open_regular", nothing)
    again = opened(folder)
    assert (again.fingerprint, again.remarks) == (before.fingerprint, before.remarks)


@pytest.mark.parametrize("damage", ["a bit", "half", "text", "a folder", "nobody may write"])
def test_a_damaged_cache_changes_no_fingerprint(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setattr(contents, "SETTLED_NS", -(10**18))
    put(folder, "cat", "dog")
    cache = contents.cache_file(folder)
    assert cache is not None
    if damage == "nobody may write":
        cache.parent.parent.parent.write_text("a file where the folder would be")
    before = opened(folder).fingerprint
    if damage in ("a bit", "half", "text"):
        content = bytearray(cache.read_bytes())
        content[-20] ^= 1
        cache.write_bytes({"a bit": bytes(content), "half": bytes(content[: len(content) // 2])}.get(damage, b"text"))
    if damage == "a folder":
        cache.unlink()
        cache.mkdir()
    assert opened(folder).fingerprint == before


def test_names_labels_splits_and_options_are_part_of_the_fingerprint(folder: Path) -> None:
    put(folder, "cat", "dog", count=12)
    seen = [opened(folder).fingerprint, opened(folder, alpha_over="black").fingerprint]
    rows = [
        (f"{name}/{n}.png", RED[name] // 100, name, "train" if n else "test")
        for name in ("cat", "dog")
        for n in range(4)
    ]
    for change in (
        lambda text: text,
        lambda text: text.replace(",dog,", ",hound,"),
        lambda text: text.replace("dog/1.png,1,dog,train", "dog/1.png,1,dog,test"),
    ):
        text = "path,class_index,class_name,split\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
        (folder / "labels.csv").write_text(change(text))
        seen.append(opened(folder).fingerprint)
    assert len(set(seen)) == len(seen)


def test_the_fingerprint_of_generated_images_is_as_ever() -> None:
    assert open_dataset("planted", path=None, seed=0).fingerprint.startswith("58410f4488516805")
