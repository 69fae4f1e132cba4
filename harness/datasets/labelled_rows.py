"""Labels from a labels.csv: every row is checked against the others, the list of classes and the picture it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from harness.datasets.annotations import IMAGES, Box
from harness.datasets.class_list import ClassList, remarks_on_indices
from harness.datasets.contents import Content, Contents
from harness.datasets.dataset import LabelRange
from harness.datasets.labelled import Labelled
from harness.datasets.labels import Label, read_labels
from harness.datasets.places import WHERE, Places
from harness.datasets.splits import split_names, split_of
from harness.errors import ConfigError, quoted, shown

LABELS = "labels.csv"


class LabelledRows:
    """The pictures of a labels.csv as its rows are read, one after the other."""

    def __init__(self, places: Places, contents: Contents, listed: ClassList | None) -> None:
        self._places, self._contents, self._listed = places, contents, listed
        self._found: dict[str, Content] = {}
        self._labels: dict[str, int] = {}
        self._splits: dict[str, str | None] = {}
        self._boxes: dict[str, list[Box]] = {}
        self._names = dict(enumerate(listed.names)) if listed else {}
        self._spelled: dict[PurePosixPath, str] = {}
        self._greatest: Label | None = None

    def read(self, path: Path) -> Labelled:
        """Raises ConfigError, with the line, for a row that contradicts another, and for one that names no picture."""
        self._places.check(path)
        table = read_labels(path)
        for row in table.rows:
            self._add(row)
        if self._greatest is None:
            raise ConfigError(f'{WHERE}: "{path}" holds no labelled images')
        where = f'{WHERE}: "{path}"'
        splits, called = self._divided() if table.has_splits else by_first_folder(self._labels, where=where)
        labels, greatest = set(self._labels.values()), self._greatest.class_index
        names = self._names if self._listed else {**{i: str(i) for i in range(greatest + 1)}, **self._names}
        return Labelled(
            class_names=tuple(name for _, name in sorted(names.items())),
            labels=self._labels,
            label_range=LabelRange(
                least=min(labels), greatest=greatest, where=self._greatest.where, complete=self._listed is not None
            ),
            splits=splits,
            called=called,
            contents=self._found,
            remarks=(*table.remarks, *([] if self._listed else remarks_on_indices(labels))),
            boxes=self._boxes,
        )

    def _add(self, row: Label) -> None:
        first = self._spelled.setdefault(PurePosixPath(row.name), row.name)
        if first != row.name:
            raise ConfigError(f'{row.where}: "{row.name}" is called "{first}" before: expected one name for it')
        if row.name not in self._found:
            self._places.check(self._places.folder / row.name, row.where)
            self._found[row.name] = self._contents.of(row.name)
            if self._found[row.name].problem:
                raise ConfigError(f"{row.where}: {self._found[row.name].problem}")
        if self._labels.setdefault(row.name, row.class_index) != row.class_index:
            raise ConfigError(
                f'{row.where}: "{row.name}" has class {row.class_index} here and class {self._labels[row.name]} before'
            )
        if self._splits.setdefault(row.name, row.split) != row.split:
            raise ConfigError(
                f'{row.where}: "{row.name}" is in the split {row.split} here and in {self._splits[row.name]} before'
            )
        self._check_class(row)
        self._boxes.setdefault(row.name, []).extend([row.box] if row.box else [])
        if self._greatest is None or row.class_index > self._greatest.class_index:
            self._greatest = row

    def _check_class(self, row: Label) -> None:
        if self._listed is not None and row.class_index >= len(self._listed.names):
            raise ConfigError(
                f"{row.where}: expected a class_index below {len(self._listed.names)}, as many as classes in the list, "
                f"got {row.class_index}",
                hint="class_index counts from 0",
            )
        if row.class_name and self._names.setdefault(row.class_index, row.class_name) != row.class_name:
            raise ConfigError(
                f"{row.where}: class {row.class_index} is called {shown(row.class_name)} here and "
                f"{shown(self._names[row.class_index])} before",
                hint="one class_name for each class_index",
            )

    def _divided(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        splits = defaultdict(list)
        for name, split in self._splits.items():
            splits[str(split)].append(name)
        return dict(splits), {split: split for split in splits}


def by_first_folder(names: Mapping[str, int], *, where: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The images of each split, and what the splits are called, where the paths begin with the names of splits."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folders[_first_folder(name.split("/"))].append(name)
    called = split_names([*folders], where=where)
    beside = [folder or next(iter(folders[folder])) for folder in folders if split_of(folder) is None]
    if called and beside:
        raise ConfigError(
            f"{where}: expected paths in splits or no splits, got {quoted(called.values())} beside {quoted(beside)}",
            hint='a column "split" says of each image where it belongs',
        )
    if not called:
        return {"": [*names]}, {}
    return {split: folders[name] for split, name in called.items()}, called


def _first_folder(parts: Sequence[str]) -> str:
    folders = [part for part in parts[:-1] if part != "."]
    if folders and folders[0].casefold() == IMAGES:
        folders = folders[1:]
    return folders[0] if folders else ""
