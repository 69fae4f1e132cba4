"""CIFAR-10 as a zip archive of JPEG files, `train|test/<class>/N.jpg`, read without unpacking."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path, PurePosixPath

from harness.datasets.dataset import Sample
from harness.datasets.pictures import decode_picture
from harness.datasets.zip_files import archive_in, check_bytes, reading
from harness.errors import ConfigError
from harness.regular_files import MIB, open_regular

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MOST_BYTES = 1024 * MIB  # of the archive, which takes about 70
MOST_PICTURE = 16 * MIB  # of one picture, which takes about 1 KiB
WHERE, KIND = "[dataset] path", "a CIFAR-10 zip archive"
_PLACE = re.compile(r"(train|test)/[^/\\\0]+/[^/\\\0]+\.jpg")


class Cifar10Archive:
    """Images are ordered by index first and class second, so that any leading part of a split is balanced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        file = open_regular(path, where=WHERE, at_most=MOST_BYTES)
        with reading(path, where=WHERE, kind=KIND):
            self._archive = archive_in(file)
            entries = [e for e in self._archive.infolist() if e.filename.endswith(".jpg")]
            for entry in entries:
                _check(entry)
        self._names = {
            split: sorted(
                (e.filename for e in entries if e.filename.startswith(f"{split}/")),
                key=lambda name: (PurePosixPath(name).stem, name),
            )
            for split in ("train", "test")
        }
        if not all(self._names.values()):
            raise ConfigError(f'{WHERE}: "{path}" holds no train/<class>/N.jpg and test/<class>/N.jpg files')
        self.class_names = tuple(sorted({_class_of(name) for name in self._names["train"]}))
        strange = next((name for name in self._names["test"] if _class_of(name) not in self.class_names), None)
        if strange is not None:
            raise ConfigError(f'{WHERE}: "{path}" {strange}: expected a class that train/ has as well')
        # the archive's own directory carries a checksum of every file: hashing it hashes the content
        contents = sorted((e.filename, e.CRC, e.file_size) for e in entries)
        self.fingerprint = hashlib.sha256(repr(contents).encode()).hexdigest()

    def size(self, split: str) -> int:
        return len(self._names[split])

    def sample(self, split: str, index: int) -> Sample:
        name = self._names[split][index]
        with reading(self._path, where=WHERE, kind=KIND):
            content = self._archive.read(name)
        pixels = decode_picture(content, name=f"{self._path}/{name}", where=WHERE)
        return Sample(key=name, image=pixels, label=self.class_names.index(_class_of(name)))


def _check(entry: zipfile.ZipInfo) -> None:
    if entry.filename.startswith(("train/", "test/")) and not (
        _PLACE.fullmatch(entry.filename) and ".." not in entry.filename.split("/")
    ):
        raise ValueError(f"{entry.filename!r} is not a place like train/<class>/N.jpg")
    check_bytes(entry, at_most=MOST_PICTURE)


def _class_of(name: str) -> str:
    return PurePosixPath(name).parent.name
