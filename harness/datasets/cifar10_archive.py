"""CIFAR-10 as a zip archive of JPEG files, `train|test/<class>/N.jpg`, read without unpacking."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from harness.datasets.dataset import Sample
from harness.errors import ConfigError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Cifar10Archive:
    """Images are ordered by index first and class second, so that any leading part of a split is balanced."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ConfigError(f'[dataset] path: expected a CIFAR-10 zip archive, found no file "{path}"')
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise ConfigError(f'[dataset] path: "{path}" is not a zip archive') from None
        entries = [e for e in self._archive.infolist() if e.filename.endswith(".jpg")]
        self._names = {
            split: sorted(
                (e.filename for e in entries if e.filename.startswith(f"{split}/")),
                key=lambda name: (PurePosixPath(name).stem, name),
            )
            for split in ("train", "test")
        }
        if not all(self._names.values()):
            raise ConfigError(f'[dataset] path: "{path}" holds no train/<class>/N.jpg and test/<class>/N.jpg files')
        self.class_names = tuple(sorted({_class_of(name) for name in self._names["train"]}))
        # the archive's own directory carries a checksum of every file: hashing it hashes the content
        contents = sorted((e.filename, e.CRC, e.file_size) for e in entries)
        self.fingerprint = hashlib.sha256(repr(contents).encode()).hexdigest()

    def size(self, split: str) -> int:
        return len(self._names[split])

    def sample(self, split: str, index: int) -> Sample:
        from PIL import Image

        name = self._names[split][index]
        pixels = np.asarray(Image.open(io.BytesIO(self._archive.read(name))).convert("RGB"))
        return Sample(key=name, image=pixels, label=self.class_names.index(_class_of(name)))


def _class_of(name: str) -> str:
    return PurePosixPath(name).parent.name
