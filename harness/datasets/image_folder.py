"""A folder of photographs of any size, labelled by sub-folder or by a `labels.csv`."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.datasets.base import Sample
from harness.errors import ConfigError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
HELD_OUT = 10  # without folders train/ and test/, one image in ten is set aside for calibration


class ImageFolder:
    """Images in the order of their paths' hashes, so that any leading part is a fair draw from all classes.

    `labels.csv` has the columns path and class_index, and may have class_name; paths are relative to the folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f'[dataset] path: expected a folder of images, found no folder "{folder}"')
        self._folder = folder
        labelled = dict(self._from_csv() if (folder / "labels.csv").is_file() else self._from_folders())
        if not labelled:
            raise ConfigError(
                f'[dataset] path: "{folder}" holds no labelled images',
                hint="sub-folders named after classes, or a labels.csv with the columns path and class_index",
            )
        self._labels = labelled
        self._names = {split: sorted(names, key=_hash) for split, names in _split(labelled).items()}
        contents = [(name, label, (folder / name).stat().st_size) for name, label in sorted(labelled.items())]
        self.fingerprint = hashlib.sha256(repr(contents).encode()).hexdigest()

    def size(self, split: str) -> int:
        return len(self._names[split])

    def sample(self, split: str, index: int) -> Sample:
        from PIL import Image, UnidentifiedImageError

        name = self._names[split][index]
        try:
            with Image.open(self._folder / name) as file:
                pixels = np.asarray(file.convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise ConfigError(
                f'[dataset] path: "{self._folder / name}" could not be read as an image ({error})'
            ) from error
        return Sample(key=name, image=pixels, label=self._labels[name])

    def _from_folders(self) -> Iterator[tuple[str, int]]:
        files = sorted(p for p in self._folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        self.class_names = tuple(sorted({file.parent.name for file in files}))
        number = {name: index for index, name in enumerate(self.class_names)}
        for file in files:
            yield file.relative_to(self._folder).as_posix(), number[file.parent.name]

    def _from_csv(self) -> Iterator[tuple[str, int]]:
        path = self._folder / "labels.csv"
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if not rows or not {"path", "class_index"} <= rows[0].keys():
            raise ConfigError(f'[dataset] path: "{path}": expected the columns path and class_index')
        names = {int(row["class_index"]): row.get("class_name") or row["class_index"] for row in rows}
        self.class_names = tuple(names.get(index, str(index)) for index in range(max(names) + 1))
        for row in rows:
            if not (self._folder / row["path"]).is_file():
                raise ConfigError(f'[dataset] path: "{path}" lists "{row["path"]}", which does not exist')
            yield row["path"], int(row["class_index"])


def _split(labelled: dict[str, int]) -> dict[str, list[str]]:
    splits = {split: [name for name in labelled if name.startswith(f"{split}/")] for split in ("train", "test")}
    if splits["train"] and splits["test"]:
        return splits
    held_out = [name for name in labelled if int(_hash(name), 16) % HELD_OUT == 0]
    return {"train": held_out, "test": [name for name in labelled if name not in set(held_out)]}


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
