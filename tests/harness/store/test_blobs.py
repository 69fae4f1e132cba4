"""A blob is what its name says, or reading it is an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.store.blobs import Blobs, Damaged, Seen
from harness.store.unit_inputs import UnitInputs

ARRAY = np.arange(500, dtype=np.float32)


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "one bit": (flipped, "is altered or cut short"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is altered or cut short"),
    "another array": (lambda path: np.save(path.open("wb"), ARRAY + 1), "is altered or cut short"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "missing": (Path.unlink, "is missing"),
    "a folder": (replaced(Path.mkdir), "cannot be read"),
    "a pipe": (replaced(os.mkfifo), "cannot be read (not a file)"),
    "a link to itself": (replaced(lambda path: path.symlink_to(path)), "cannot be read"),
    "no folder of blobs": (lambda path: shutil.rmtree(path.parent), "is missing"),
}


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_blob_is_never_read_and_is_made_again_by_saving_it(blobs: Blobs, how: str) -> None:
    sha256, other = blobs.save_array(ARRAY), blobs.save_array(-ARRAY)
    damage, what = DAMAGE[how]
    damage(blobs.blob_path(sha256))
    assert blobs.damage_of(sha256).startswith(what)
    assert blobs.damaged_blobs([sha256, sha256, other]).keys() >= {sha256}
    for read in (blobs.load_array, blobs.read_blob, UnitInputs(blobs.blob_path("x").parent).blob_path):
        with pytest.raises(Damaged, match=sha256):
            read(sha256)
    if how != "a folder":  # in whose place no file can be put
        assert blobs.save_array(ARRAY) == sha256
        np.testing.assert_array_equal(blobs.load_array(sha256), ARRAY)


def test_what_was_seen_intact_is_read_again_when_its_file_changed(blobs: Blobs) -> None:
    seen: Seen = {}
    sha256 = blobs.save_array(ARRAY)
    assert blobs.damage_of(sha256, seen) == ""
    path = blobs.blob_path(sha256)
    status = path.stat()
    flipped(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert blobs.damage_of(sha256, seen) == ""  # an equal time and size: whoever keeps `seen` has read it before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert blobs.damage_of(sha256, seen) == "is altered or cut short"
