"""A folder of photographs of any size, labelled by sub-folder or by a `labels.csv`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.datasets.annotations import RESERVED, Annotations, Box
from harness.datasets.dataset import Sample
from harness.datasets.labels import read_labels
from harness.datasets.pictures import SUFFIXES, read_picture
from harness.datasets.places import Places, check_utf8
from harness.errors import ConfigError

HELD_OUT = 10  # without folders train/ and test/, one image in ten is set aside for calibration


class ImageFolder:
    """Images in the order of their paths' hashes, so that any leading part is a fair draw from all classes.

    `labels.csv` has the columns path and class_index, and may have class_name and boxes (x_min, y_min, x_max, y_max),
    several rows for an image with several; paths are relative to the folder. Masks: `harness.datasets.annotations`.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f'[dataset] path: expected a folder of images, found no folder "{folder}"')
        self._folder, self._places = folder, Places(folder)
        self._boxes: dict[str, list[Box]] = {}
        labelled = dict(self._from_csv() if os.path.lexists(folder / "labels.csv") else self._from_folders())
        if not labelled:
            raise ConfigError(
                f'[dataset] path: "{folder}" holds no labelled images',
                hint="sub-folders named after classes, or a labels.csv with the columns path and class_index",
            )
        self._labels = labelled
        self._names = {split: sorted(names, key=_hash) for split, names in _split(labelled).items()}
        self._annotations = Annotations(self._places, labelled, boxes=self._boxes)
        contents = [(name, label, (folder / name).stat().st_size) for name, label in sorted(labelled.items())]
        # a folder without masks keeps the fingerprint of its images alone
        self.fingerprint = _hash(repr(contents) + self._annotations.fingerprint())

    def size(self, split: str) -> int:
        return len(self._names[split])

    def sample(self, split: str, index: int) -> Sample:
        name = self._names[split][index]
        pixels = read_picture(self._folder / name, where="[dataset] path")
        label, (height, width) = self._labels[name], pixels.shape[:2]
        mask = self._annotations.mask(name, height=height, width=width, class_name=self.class_names[label])
        return Sample(key=name, image=pixels, label=label, mask=mask)

    def _from_folders(self) -> Iterator[tuple[str, int]]:
        masks = [self._folder / name for name in RESERVED]
        files = sorted(
            file
            for file in self._places.walk()
            if file.suffix.lower() in SUFFIXES and not any(folder in file.parents for folder in masks)
        )
        for file in files:
            check_utf8(file, self._folder)
            self._places.check(file)
        self.class_names = tuple(sorted({file.parent.name for file in files}))
        number = {name: index for index, name in enumerate(self.class_names)}
        for file in files:
            yield file.relative_to(self._folder).as_posix(), number[file.parent.name]

    def _from_csv(self) -> Iterator[tuple[str, int]]:
        path = self._folder / "labels.csv"
        if path.exists():  # what is missing is said by who reads it
            self._places.check(path)
        rows = list(read_labels(path))
        names = {row.class_index: row.class_name for row in rows}
        self.class_names = tuple(names.get(index, str(index)) for index in range(max(names, default=-1) + 1))
        labels: dict[str, int] = {}
        spelled: dict[PurePosixPath, str] = {}
        for row in rows:
            if row.name not in labels:
                self._places.check(self._folder / row.name, row.where)
            first = spelled.setdefault(PurePosixPath(row.name), row.name)
            if first != row.name:
                raise ConfigError(f'{row.where}: "{row.name}" is called "{first}" before: expected one name for it')
            if labels.setdefault(row.name, row.class_index) != row.class_index:
                raise ConfigError(
                    f'{row.where}: "{row.name}" has class {row.class_index} here and class {labels[row.name]} before'
                )
            self._boxes.setdefault(row.name, []).extend([row.box] if row.box else [])
        yield from labels.items()


def _split(labelled: dict[str, int]) -> dict[str, list[str]]:
    splits = {split: [name for name in labelled if name.startswith(f"{split}/")] for split in ("train", "test")}
    if splits["train"] and splits["test"]:
        return splits
    held_out = {name: int(_hash(name), 16) % HELD_OUT == 0 for name in labelled}
    return {split: [name for name in labelled if held_out[name] is (split == "train")] for split in ("train", "test")}


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
