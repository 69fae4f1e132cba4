"""Labels from folders: the first level below a split is the class, and what may be meant in two ways is refused.

Names are relative to the data set's folder, so that the same rules serve a folder and an archive.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from harness.datasets.annotations import IMAGES
from harness.datasets.class_list import ClassList, folders_in_order, remarks_on_order
from harness.datasets.contents import Content
from harness.datasets.dataset import LabelRange
from harness.datasets.labelled import Labelled
from harness.datasets.places import Tree
from harness.datasets.splits import KNOWN, looks_like_a_split, split_names, split_of
from harness.errors import ConfigError, quoted

A_LIST = "a classes.txt in the data set's folder, one name a line, says which folders are classes"
PICTURES = "the path of a folder of class folders, or a labels.csv with the columns path and class_index"


class ClassFolders:
    """The folders of a data set, and the pictures in them as far as their names tell."""

    def __init__(self, tree: Tree, pictures: Sequence[str], *, listed: ClassList | None, where: str) -> None:
        """pictures are the names of the files that may be pictures. Raises ConfigError for what is ambiguous."""
        self._tree, self._listed, self._where = tree, listed, where
        self._inside: dict[str, list[str]] = defaultdict(list)  # folders by the folder that they lie in
        for folder in tree.folders:
            self._inside[folder.rpartition("/")[0]].append(folder)
        self._count = Counter(folder for name in pictures for folder in _folders_of(name))
        self._remarks: list[str] = []
        self._top = self._folder_of_all()
        self.called = self._splits()
        self._places = self._folders_of_classes()
        self._check()
        self._class_folder = {name: folder for name in pictures if (folder := self._class_folder_of(name))}
        if len(self._class_folder) < len(pictures):
            loose = quoted(name for name in pictures if name not in self._class_folder)
            self._remarks.append(f"pictures in no class folder, not read: {loose}")

    @property
    def pictures(self) -> list[str]:
        """Those that have a label, if they can be read."""
        return list(self._class_folder)

    def labelled(self, contents: dict[str, Content]) -> Labelled:
        """The labels of the pictures that can be read. Raises ConfigError for a class without, if it shifts others.

        contents  what those pictures hold.
        """
        found = {_name(self._class_folder[name]) for name in contents}
        names = self._class_names(found) if self._listed is None else self._listed_names(self._listed, found)
        number = {name: index for index, name in enumerate(names)}
        split_of_place = {place: split for split, place in self._places.items()}
        splits: dict[str, list[str]] = {split: [] for split in self._places}
        labels = {}
        for name in contents:
            folder = self._class_folder[name]
            splits[split_of_place[folder.rpartition("/")[0]]].append(name)
            labels[name] = number[_name(folder)]
        self._remarks += self._missing(names, splits, labels)
        deeper = {_folder_inside(name, self._class_folder[name]) for name in contents} - {""}
        if deeper:
            self._remarks.append(f"folders in class folders belong to their classes: {quoted(sorted(deeper))}")
        used, last = set(labels.values()), max(labels, key=labels.__getitem__)
        where = f'{self._where}: the class folder "{self._class_folder[last]}"'
        return Labelled(
            class_names=names,
            labels=labels,
            label_range=LabelRange(least=min(used), greatest=labels[last], where=where, complete=True),
            splits=splits,
            called=self.called,
            contents=contents,
            remarks=tuple(self._remarks),
        )

    # ------------------------------------------------------------------------------------------------------- splits
    def _folder_of_all(self) -> str:
        """The folder that holds the splits or classes: images/, or "" for the data set's own."""
        pictured = self._pictured("")
        images = next((each for each in pictured if each.casefold() == IMAGES), "")
        if images and len(pictured) > 1:
            others = quoted(each for each in pictured if each != images)
            raise self._refusal(f'"{images}" beside {others}', "no pictures beside images/, or no folder of that name")
        return images

    def _splits(self) -> dict[str, str]:
        """The names of the folders that are splits and hold class folders, by split."""
        named = [each for each in self._inside[self._top] if split_of(_name(each)) and not self._is_listed(each)]
        called = split_names([_name(each) for each in named], where=self._where)
        beside = [each for each in self._pictured(self._top) if each not in named]
        if named and beside:
            hint = f"all classes inside of splits, or no splits; {A_LIST}"
            raise self._refusal(f"{quoted(sorted(called.values()))} beside {quoted(map(_name, beside))}", hint)
        self._has_splits = bool(named)
        return {split: name for split, name in called.items() if self._holds_classes(self._path(name))}

    def _is_listed(self, folder: str) -> bool:
        """A class may be called "train" where the list of classes says so, and no classes lie in it."""
        return self._listed is not None and _name(folder) in self._listed.names and not self._pictured(folder)

    def _holds_classes(self, split: str) -> bool:
        if self._pictured(split):
            return True
        holds = counted_suffixes(name for name in self._tree.files if name.startswith(f"{split}/"))
        if holds and not self._count[split]:
            raise self._refusal(f'"{split}", which holds no picture but {holds}', "JPEG, PNG, BMP or WebP files")
        self._remarks.append(f'"{split}" has no class folders and is not read: it holds {holds or "nothing"}')
        return False

    # ------------------------------------------------------------------------------------------------------ classes
    def _folders_of_classes(self) -> dict[str, str]:
        """The folder that holds the class folders of each split; of "" where there are no splits."""
        if not self._has_splits:
            return {"": self._top}
        places = {split: self._path(name) for split, name in self.called.items()}
        inside = {split: self._pictured(place) for split, place in places.items()}
        if all(len(each) == 1 and _is_images(each[0]) and self._pictured(each[0]) for each in inside.values()):
            return {split: folders[0] for split, folders in inside.items()}
        return places

    def _check(self) -> None:
        """Refuses what only looks like class folders: splits of other names, and folders around classes."""
        folders = [folder for place in self._places.values() for folder in self._pictured(place)]
        if not folders or all(map(_is_images, folders)):
            seen = [f"{_name(each)}/" for each in self._inside[self._top]]
            files = [name for name in self._tree.files if "/" not in name.removeprefix(f"{self._top}/")]
            raise self._refusal(quoted([*seen, *files]) or "nothing", PICTURES)
        if self._listed is not None:
            return
        for folder in folders:
            split = next((each for each in self._pictured(folder) if split_of(_name(each))), "")
            if split:
                raise self._refusal(
                    f'"{split}", a split inside of a class', f"the folder of the splits as the path; or {A_LIST}"
                )
        strange = [each for each in folders if looks_like_a_split(_name(each))]
        if any(map(self._pictured, strange)) or (strange and strange == folders):
            hint = f"the names of splits: {KNOWN}; or {A_LIST}"
            raise self._refusal(f"{quoted(strange)}, which may be splits or classes", hint)
        around = next((each for each in folders if len(self._pictured(each)) > 1), "")
        if around and len(set(map(_name, folders))) == 1:
            inside = quoted(map(_name, self._pictured(around)))
            hint = f"the path of the folder that holds the classes; or {A_LIST}"
            raise self._refusal(f'the one folder "{around}" with {inside} in it', hint)

    def _class_names(self, found: set[str]) -> tuple[str, ...]:
        folders = {split: set(map(_name, self._inside[place])) for split, place in self._places.items()}
        for split in folders.keys() & {"val", "test"} if "train" in folders else ():
            extra = (folders[split] & found) - folders["train"]
            if extra:
                got = f'{quoted(extra)} in "{self.called[split]}" and not in "{self.called["train"]}"'
                raise self._refusal(got, f"the same classes in both; or {A_LIST}")
        order = folders_in_order(sorted(set().union(*folders.values())), where=self._where)
        end = 1 + max((index for index, name in enumerate(order) if name in found), default=-1)
        empty = next((name for name in order[:end] if name not in found), None if end else order[0])
        if empty is not None:
            raise self._refusal(
                f'"{empty}" without a picture that can be read: it holds {self._held(empty)}, and as a class it would '
                "shift the labels after it",
                f"pictures in it, or no such folder; {A_LIST}",
            )
        self._remarks += [f'"{name}" is not a class: it holds {self._held(name)}' for name in order[end:]]
        self._remarks += remarks_on_order(order[:end])
        return order[:end]

    def _listed_names(self, listed: ClassList, found: set[str]) -> tuple[str, ...]:
        unknown = found - set(listed.names)
        if unknown:
            raise ConfigError(
                f"{listed.where}: expected the name of every class folder, got {quoted(listed.names)} and no "
                f"{quoted(unknown)}",
                hint="the names of the folders, one a line, in the order of the model's outputs",
            )
        return listed.names

    def _missing(
        self, names: Sequence[str], splits: Mapping[str, list[str]], labels: Mapping[str, int]
    ) -> Iterator[str]:
        for split, images in splits.items():
            missing = [names[label] for label in sorted(set(range(len(names))) - {labels[name] for name in images})]
            if missing:
                where = f' in "{self.called[split]}"' if split else ""
                yield f"{len(missing):,} of {len(names):,} classes without a picture{where}: {quoted(missing)}"

    # -------------------------------------------------------------------------------------------------------- names
    def _class_folder_of(self, name: str) -> str:
        """The class folder that a picture lies in, "" for none."""
        for place in self._places.values():
            begin = len(place) + 1 if place else 0
            end = name.find("/", begin)
            if end >= 0 and (not place or name.startswith(f"{place}/")):
                return name[:end]
        return ""

    def _held(self, class_name: str) -> str:
        folders = tuple(f"{each}/" for place in self._places.values() for each in self._inside[place])
        mine = tuple(folder for folder in folders if _name(folder[:-1]) == class_name)
        return counted_suffixes(name for name in self._tree.files if name.startswith(mine)) or "nothing"

    def _path(self, name: str) -> str:
        return f"{self._top}/{name}" if self._top else name

    def _pictured(self, folder: str) -> list[str]:
        """The folders in a folder that hold pictures, at any depth."""
        return [each for each in self._inside.get(folder, ()) if self._count[each]]

    def _refusal(self, got: str, hint: str) -> ConfigError:
        return ConfigError(f"{self._where}: expected folders of classes, in splits or without, got {got}", hint=hint)


def counted_suffixes(names: Iterable[str]) -> str:
    """ "12 .gif, 1 without a suffix", the most frequent first."""
    suffixes = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in names)
    return ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(6))


def _folders_of(name: str) -> Iterator[str]:
    """ "a/b/1.jpg" lies in "a" and in "a/b"."""
    end = name.find("/")
    while end >= 0:
        yield name[:end]
        end = name.find("/", end + 1)


def _folder_inside(name: str, folder: str) -> str:
    """ "cat/indoor" for the picture "cat/indoor/may/1.jpg" in the folder "cat", "" for one in "cat" itself."""
    first, slash, _ = name[len(folder) + 1 :].partition("/")
    return f"{folder}/{first}" if slash else ""


def _name(folder: str) -> str:
    """What a class is called: one text, however its letters are composed (macOS writes them in parts)."""
    return unicodedata.normalize("NFC", folder.rpartition("/")[2])


def _is_images(folder: str) -> bool:
    return _name(folder).casefold() == IMAGES
