"""A folder of photographs of any size, labelled by sub-folder or by a `labels.csv`."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.datasets.annotations import RESERVED, Annotations, Box
from harness.datasets.dataset import Sample
from harness.datasets.pictures import read_picture
from harness.errors import ConfigError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
BOX = ("x_min", "y_min", "x_max", "y_max")
HELD_OUT = 10  # without folders train/ and test/, one image in ten is set aside for calibration


class ImageFolder:
    """Images in the order of their paths' hashes, so that any leading part is a fair draw from all classes.

    `labels.csv` has the columns path and class_index, and may have class_name and boxes (x_min, y_min, x_max, y_max),
    several rows for an image with several; paths are relative to the folder. Masks: `harness.datasets.annotations`.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ConfigError(f'[dataset] path: expected a folder of images, found no folder "{folder}"')
        self._folder = folder
        self._boxes: dict[str, list[Box]] = {}
        labelled = dict(self._from_csv() if (folder / "labels.csv").is_file() else self._from_folders())
        if not labelled:
            raise ConfigError(
                f'[dataset] path: "{folder}" holds no labelled images',
                hint="sub-folders named after classes, or a labels.csv with the columns path and class_index",
            )
        self._labels = labelled
        self._names = {split: sorted(names, key=_hash) for split, names in _split(labelled).items()}
        self._annotations = Annotations(folder, labelled, boxes=self._boxes)
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
            p
            for p in self._folder.rglob("*")
            if p.suffix.lower() in SUFFIXES and not any(folder in p.parents for folder in masks)
        )
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
        indices = [_class_index(row, f'[dataset] path: "{path}" line {line}') for line, row in enumerate(rows, start=2)]
        names = {index: row.get("class_name") or row["class_index"] for index, row in zip(indices, rows)}
        self.class_names = tuple(names.get(index, str(index)) for index in range(max(names) + 1))
        labels: dict[str, int] = {}
        for line, (index, row) in enumerate(zip(indices, rows), start=2):
            name, where = row["path"], f'[dataset] path: "{path}" line {line}'
            if not (self._folder / name).is_file():
                raise ConfigError(f'[dataset] path: "{path}" lists "{name}", which does not exist')
            if labels.setdefault(name, index) != index:
                raise ConfigError(f'{where}: "{name}" has class {index} here and class {labels[name]} before')
            self._boxes.setdefault(name, []).extend(_boxes(row, where))
        yield from labels.items()


def _class_index(row: Mapping[str, str], where: str) -> int:
    if not (row["class_index"] or "").strip().isdecimal():
        raise ConfigError(f'{where}: expected an integer class_index >= 0, got "{row["class_index"]}"')
    return int(row["class_index"])


def _boxes(row: Mapping[str, str], where: str) -> Sequence[Box]:
    """The box of a row; none where the columns are missing or all four are empty."""
    cells = {name: (row.get(name) or "").strip() for name in BOX}
    if not any(cells.values()):
        return ()
    try:
        return (Box(**{name: float(cell) for name, cell in cells.items()}),)
    except ValueError:
        got = ", ".join(f'{name} "{cell}"' for name, cell in cells.items())
        raise ConfigError(f"{where}: expected four numbers for a box, got {got}") from None


def _split(labelled: dict[str, int]) -> dict[str, list[str]]:
    splits = {split: [name for name in labelled if name.startswith(f"{split}/")] for split in ("train", "test")}
    if splits["train"] and splits["test"]:
        return splits
    held_out = [name for name in labelled if int(_hash(name), 16) % HELD_OUT == 0]
    return {"train": held_out, "test": [name for name in labelled if name not in set(held_out)]}


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
