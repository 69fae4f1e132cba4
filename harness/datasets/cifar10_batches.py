"""CIFAR-10 as its authors distribute it: pickled or binary batches, in a tar archive or unpacked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.datasets.cifar10_archive import CLASS_NAMES, WHERE
from harness.datasets.cifar10_layout import BATCHES, FILES, folder_of_batches
from harness.datasets.dataset import MOST_CLASSES, LabelRange, Sample
from harness.datasets.pickled import PickledArray, read_pickle
from harness.datasets.places import Places
from harness.datasets.tar_files import files_in, reading
from harness.errors import ConfigError, one_line, quoted, shown
from harness.regular_files import MIB, open_regular, read_regular

KIND = "the archive cifar-10-python.tar.gz or cifar-10-binary.tar.gz"
META = "batches.meta"
SIDE, PIXELS = 32, 3 * 32 * 32  # red, green, blue: a plane after the other
MOST_ARCHIVE = 512 * MIB  # 163 MiB are usual
MOST_BATCH = 64 * MIB  # 30 MiB are usual
_OTHERS = {"train", "test", "meta", "train.bin", "test.bin"}  # of CIFAR-100


class _Batch(NamedTuple):
    pixels: NDArray[np.uint8]  # (N, 3072)
    labels: NDArray[np.int64]  # (N,)


class Cifar10Batches:
    """Images are ordered by their place in a class first and by class second, so that any leading part is balanced."""

    def __init__(self, path: Path) -> None:
        self.remarks: tuple[str, ...] = ()
        where = f'{WHERE}: "{path}"'
        batches, self.class_names = _read(path, where)
        for name, batch in batches.items():
            _check_labels(batch.labels, len(self.class_names), f"{where} {name}")
        self._splits = {"test": [BATCHES[0]], "train": list(BATCHES[1:])}
        self._batches = {name: batches[name] for name in BATCHES}
        self._order = {split: self._balanced(names) for split, names in self._splits.items()}
        self.label_range = self._label_range(where)
        content = hashlib.sha256(repr(self.class_names).encode())
        for name, batch in self._batches.items():
            content.update(f"{name} {len(batch.labels)}".encode() + batch.labels.tobytes() + batch.pixels.tobytes())
        self.fingerprint = content.hexdigest()

    def size(self, split: str) -> int:
        return len(self._order.get(split, ()))

    def sample(self, split: str, index: int) -> Sample:
        name, row = self._order[split][index]
        batch = self._batches[name]
        image = batch.pixels[row].reshape(3, SIDE, SIDE).transpose(1, 2, 0)
        return Sample(key=f"{name}/{row:05d}", image=np.ascontiguousarray(image), label=int(batch.labels[row]))

    def _balanced(self, names: list[str]) -> list[tuple[str, int]]:
        places, seen = [], dict.fromkeys(range(len(self.class_names)), 0)
        for name in names:
            for row, label in enumerate(self._batches[name].labels.tolist()):
                places.append((seen[label], label, name, row))
                seen[label] += 1
        return [(name, row) for _, _, name, row in sorted(places)]

    def _label_range(self, where: str) -> LabelRange:
        name = max(self._batches, key=lambda each: int(self._batches[each].labels.max()))
        return LabelRange(
            least=min(int(batch.labels.min()) for batch in self._batches.values()),
            greatest=int(self._batches[name].labels.max()),
            where=f"{where} {name}",
            complete=True,
        )


def _read(path: Path, where: str) -> tuple[dict[str, _Batch], tuple[str, ...]]:
    """Every batch by its name without `.bin`, and the classes."""
    batches: dict[str, _Batch] = {}
    classes: tuple[str, ...] = ()
    others: list[str] = []
    for name, content in _files(path, others):
        stem = PurePosixPath(name).name
        key = stem.removesuffix(".bin").removesuffix(".txt")
        if key in batches or (key == META and classes):
            raise ConfigError(f"{where}: expected one file {key}, got a second, {shown(name)}")
        try:
            if key == META:
                classes = _class_names(content, pickled=stem == META)
            else:
                batches[key] = _binary(content) if stem.endswith(".bin") else _pickled(content)
        except ValueError as error:
            raise ConfigError(f"{where} {name}: expected a part of CIFAR-10, got {one_line(error)}") from error
    missing = [name for name in BATCHES if name not in batches]
    if missing:
        raise ConfigError(
            f"{where}: expected test_batch and data_batch_1 to data_batch_5, or the same with .bin, "
            f"found no {quoted(missing, most=6)}",
            hint="CIFAR-10, not CIFAR-100; other data as an .npz, see docs/datasets.md"
            if _OTHERS & set(others)
            else "the archive again, whole: docs/datasets.md has the command",
        )
    return batches, classes or CLASS_NAMES


def _files(path: Path, others: list[str]) -> Iterator[tuple[str, bytes]]:
    """Each file that counts; the names of the rest are added to `others`."""
    if path.is_dir():
        folder = folder_of_batches(path) or path
        for name in FILES:
            if os.path.lexists(folder / name):
                Places(folder).check(folder / name)
                yield name, read_regular(folder / name, where=WHERE, at_most=MOST_BATCH)
        return

    def is_wanted(name: str) -> bool:
        stem = PurePosixPath(name).name
        if stem not in FILES:
            others.append(stem)
        return stem in FILES

    with open_regular(path, where=WHERE, at_most=MOST_ARCHIVE) as file, reading(path, where=WHERE, kind=KIND):
        yield from files_in(file, is_wanted, at_most=MOST_BATCH)


def _pickled(content: bytes) -> _Batch:
    stored = read_pickle(content)
    if not isinstance(stored, dict) or not {"data", "labels"} <= stored.keys():
        raise ValueError("a pickle without data and labels")
    data, labels = stored["data"], stored["labels"]
    if not isinstance(data, PickledArray) or not isinstance(labels, list):
        raise ValueError("a pickle whose data is not an array, or whose labels are not a list")
    if len(data.shape) != 2 or data.shape[1] != PIXELS or len(data.values) != data.shape[0] * PIXELS:
        raise ValueError(f"data of {len(data.values):,} bytes and shape {data.shape}, expected (images, {PIXELS})")
    if not all(type(label) is int and 0 <= label < MOST_CLASSES for label in labels):
        raise ValueError("labels that are not class indices")
    return _batch(np.frombuffer(data.values, np.uint8).reshape(-1, PIXELS), np.array(labels, np.int64))


def _binary(content: bytes) -> _Batch:
    if len(content) % (1 + PIXELS):
        raise ValueError(
            f"{len(content):,} bytes, expected {1 + PIXELS:,} for each image: a label and {PIXELS:,} values"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return _batch(np.ascontiguousarray(records[:, 1:]), records[:, 0].astype(np.int64))


def _batch(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> _Batch:
    if len(pixels) != len(labels) or not len(labels):
        raise ValueError(f"{len(pixels):,} images and {len(labels):,} labels")
    return _Batch(pixels=pixels, labels=labels)


def _class_names(content: bytes, *, pickled: bool) -> tuple[str, ...]:
    if pickled:
        stored = read_pickle(content)
        found = stored.get("label_names") if isinstance(stored, dict) else None
        if not isinstance(found, list):
            raise ValueError("a pickle without label_names")
    else:
        found = content.split()
    names = tuple(name.decode() if isinstance(name, bytes) else name for name in found)
    if not names or len(names) > MOST_CLASSES or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError("class names that are not texts")
    twice = next((one for one, other in pairwise(sorted(names)) if one == other), None)
    if twice is not None:
        raise ValueError(f"the class {shown(twice)} twice")
    return names


def _check_labels(labels: NDArray[np.int64], classes: int, where: str) -> None:
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        row = int(wrong[0])
        raise ConfigError(f"{where}: expected labels from 0 to {classes - 1}, got {labels[row]} for image {row}")
