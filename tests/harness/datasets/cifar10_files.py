"""Small CIFAR-10 files as its authors' Python 2 wrote them, and in their binary form."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.datasets.cifar10_archive import CLASS_NAMES
from harness.datasets.cifar10_layout import BATCHES

PER_BATCH = 4
RNG = np.random.default_rng(0)
PIXELS = {name: RNG.integers(0, 256, (PER_BATCH, 3072), np.uint8) for name in BATCHES}
LABELS = {name: [(3 * row + place) % 10 for row in range(PER_BATCH)] for place, name in enumerate(BATCHES)}


class Python2:
    """Writes protocol 2 as Python 2's cPickle did: texts are its byte strings, and everything is remembered."""

    def __init__(self) -> None:
        self._places = 0

    def pickled(self, value: object) -> bytes:
        return b"\x80\x02" + self.of(value) + b"."

    def of(self, value: object) -> bytes:
        if isinstance(value, str):
            return b"U" + bytes([len(value)]) + value.encode() + self._put()
        if isinstance(value, int):
            return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)
        if isinstance(value, list):
            return b"]" + self._put() + b"(" + b"".join(map(self.of, value)) + b"e"
        if isinstance(value, dict):
            items = b"".join(self.of(key) + self.of(each) for key, each in value.items())
            return b"}" + self._put() + b"(" + items + b"u"
        assert isinstance(value, np.ndarray)
        return self._array(value)

    def _array(self, value: np.ndarray) -> bytes:
        begun = b"cnumpy.core.multiarray\n_reconstruct\n" + self._put() + b"cnumpy\nndarray\n" + self._put()
        begun += b"K\x00\x85U\x01b\x87R" + self._put()
        shape = b"".join(b"M" + struct.pack("<H", size) for size in value.shape) + b"\x86"
        dtype = b"cnumpy\ndtype\n" + self._put() + b"U\x02u1K\x00K\x01\x87R" + self._put()
        dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        content = value.tobytes()
        return begun + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"

    def _put(self) -> bytes:
        self._places += 1
        return b"q" + bytes([self._places]) if self._places < 256 else b"r" + struct.pack("<I", self._places)


def python_files() -> dict[str, bytes]:
    """Every file of `cifar-10-batches-py` by name."""
    made = {}
    for name in BATCHES:
        names = [f"picture_s_{row:06d}.png" for row in range(PER_BATCH)]
        batch = {"batch_label": name, "labels": LABELS[name], "data": PIXELS[name], "filenames": names}
        made[name] = Python2().pickled(batch)
    meta = {"num_cases_per_batch": PER_BATCH, "label_names": list(CLASS_NAMES), "num_vis": 3072}
    return {**made, "batches.meta": Python2().pickled(meta), "readme.html": b"<html>"}


def binary_files() -> dict[str, bytes]:
    """Every file of `cifar-10-batches-bin` by name."""
    made = {
        f"{name}.bin": b"".join(
            bytes([label]) + row.tobytes() for label, row in zip(LABELS[name], PIXELS[name], strict=True)
        )
        for name in BATCHES
    }
    return {**made, "batches.meta.txt": ("\n".join(CLASS_NAMES) + "\n\n").encode(), "readme.html": b"<html>"}


def archive(path: Path, files: Mapping[str, bytes], *, mode: str = "w:gz", folder: str = "cifar-10-batches-py") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def unpacked(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
