"""CIFAR-10 as a zip archive of JPEG files, `train|test/<class>/N.jpg`, read without unpacking."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from harness.datasets.class_folders import ClassFolders, counted_suffixes
from harness.datasets.contents import Content
from harness.datasets.dataset import Sample
from harness.datasets.pictures import decode_picture
from harness.datasets.places import Tree, is_hidden
from harness.datasets.splits import divide, split_of
from harness.datasets.zip_files import archive_in, check_bytes, reading
from harness.errors import ConfigError, quoted
from harness.regular_files import MIB, open_regular

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MOST_BYTES = 1024 * MIB  # of the archive, which takes about 70
MOST_PICTURE = 16 * MIB  # of one picture, which takes about 1 KiB
WHERE, KIND = "[dataset] path", "a CIFAR-10 zip archive"
SUFFIXES = (".jpg", ".jpeg")
_PLACE = re.compile(r"[^/\\\0]+/[^/\\\0]+/[^/\\\0]+\.jpe?g", re.IGNORECASE)


class Cifar10Archive:
    """Images are ordered by index first and class second, so that any leading part of a split is balanced."""

    def __init__(self, path: Path) -> None:
        self._path, where = path, f'{WHERE}: "{path}"'
        file = open_regular(path, where=WHERE, at_most=MOST_BYTES)
        with reading(path, where=WHERE, kind=KIND):
            self._archive = archive_in(file)
            tree = _tree(self._archive.namelist())
            entries = [self._archive.getinfo(name) for name in tree.files if name.lower().endswith(SUFFIXES)]
            for entry in entries:
                _check(entry)
        folders = ClassFolders(tree, [e.filename for e in entries], listed=None, where=where)
        # the archive's own directory carries a checksum of every file: hashing it hashes the content
        checksums = {e.filename: Content(sha256=f"{e.CRC:08x}") for e in entries}
        labelled = folders.labelled({name: checksums[name] for name in folders.pictures})
        if "train" not in labelled.splits or len(labelled.splits) < 2:
            raise ConfigError(f"{where} holds no train/<class>/N.jpg and test/<class>/N.jpg files")
        division = divide(labelled.splits, called=labelled.called, where=where)
        self._names = {
            split: sorted(names, key=lambda name: (PurePosixPath(name).stem, name))
            for split, names in division.splits.items()
        }
        self._labels, self.class_names, self.label_range = labelled.labels, labelled.class_names, labelled.label_range
        self.remarks: tuple[str, ...] = (*labelled.remarks, *division.remarks, *_left_out(tree))
        contents = sorted((e.filename, e.CRC, e.file_size) for e in entries)
        self.fingerprint = hashlib.sha256(repr(contents).encode()).hexdigest()

    def size(self, split: str) -> int:
        return len(self._names[split])

    def sample(self, split: str, index: int) -> Sample:
        name = self._names[split][index]
        with reading(self._path, where=WHERE, kind=KIND):
            content = self._archive.read(name)
        pixels = decode_picture(content, name=f"{self._path}/{name}", where=WHERE)
        return Sample(key=name, image=pixels, label=self._labels[name])


def _tree(names: Iterable[str]) -> Tree:
    """The files and folders of an archive, whether it names its folders or not."""
    tree, folders = Tree(), set[str]()
    for name in names:
        parts = name.rstrip("/").split("/")
        if any(map(is_hidden, parts)) and ".." not in parts:
            tree.hidden.append(name)
            continue
        inside = parts if name.endswith("/") else parts[:-1]
        folders |= {"/".join(inside[:depth]) for depth in range(1, len(inside) + 1)}
        if not name.endswith("/"):
            tree.files.append(name)
    tree.folders += sorted(folders)
    return tree


def _check(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if split_of(name.split("/")[0]) and (".." in name.split("/") or not _PLACE.fullmatch(name)):
        raise ValueError(f"{name!r} is not a place like train/<class>/N.jpg")
    check_bytes(entry, at_most=MOST_PICTURE)


def _left_out(tree: Tree) -> list[str]:
    others = [name for name in tree.files if not name.lower().endswith(SUFFIXES)]
    remarks = [f"skipped files without the name of a JPEG: {counted_suffixes(others)}"]
    hidden = [f"skipped hidden files and folders: {quoted(tree.hidden)}"]
    return [*(remarks if others else []), *(hidden if tree.hidden else [])]
