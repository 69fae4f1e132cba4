"""Images, labels and masks as arrays in one .npz file."""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.class_list import remarks_on_indices
from harness.datasets.dataset import MOST_CHANNELS, MOST_CLASSES, LabelRange, Sample
from harness.datasets.splits import split_names
from harness.datasets.zip_files import archive_in, check_bytes, reading
from harness.errors import ConfigError, quoted, shown
from harness.regular_files import MIB, open_regular

WHAT = ("images", "labels", "masks")
MOST_ARRAYS = 2048 * MIB  # all arrays together, which are held in memory: 14,000 images of 224x224
MOST_HEADER = 4096  # bytes that describe an array before its values

Values = NDArray[Any]
_NPY: Any = np.lib.format  # NumPy's own types lack some of its arguments


class NpzDataset:
    """`test_images` uint8 (N, H, W, C), or (N, H, W) of greys, and `test_labels` (N,) are needed; `train_…` calibrate.

    Without a test split, `val_…` judges; splits may have the other names of `harness.datasets.splits`. Labels may be
    one-hot, or a column (N, 1). Optional: `test_masks` (N, H, W), where any value but zero is the object, and
    `class_names`.
    """

    def __init__(self, path: Path) -> None:
        where = "[dataset] path"
        with open_regular(path, where=where, at_most=MOST_ARRAYS) as file:
            with reading(path, where=where, kind="an .npz file of arrays"), archive_in(file) as archive:
                stored = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
                called, self.remarks = _names(stored, where=f'{where}: "{path}"')
                self._arrays = _arrays(archive, called)
            self.class_names, self.label_range = self._checked(called, f'{where}: "{path}"')
            file.seek(0)
            self.fingerprint = hashlib.file_digest(file, "sha256").hexdigest()

    def size(self, split: str) -> int:
        return len(self._arrays.get(f"{split}_images", ()))

    def sample(self, split: str, index: int) -> Sample:
        masks = self._arrays.get(f"{split}_masks")
        return Sample(
            key=f"{split}/{index:06d}",
            image=np.atleast_3d(self._arrays[f"{split}_images"][index]),
            label=int(self._arrays[f"{split}_labels"][index]),
            mask=None if masks is None else masks[index].astype(bool),
        )

    def _checked(self, called: Mapping[str, str], where: str) -> tuple[tuple[str, ...], LabelRange]:
        """The classes, after a look at every array. `called` has the names of our arrays in the file."""
        known = self._arrays.get("class_names")
        if known is not None and (known.ndim != 1 or known.dtype.kind not in "USiu" or len(known) > MOST_CLASSES):
            raise ConfigError(f"{where} class_names: expected texts (classes,), got {known.dtype} {known.shape}")
        classes, used, width = MOST_CLASSES if known is None else len(known), set[int](), 0
        greatest = (-1, "")
        for split in ("train", "test") if "train_images" in self._arrays else ("test",):
            images, labels, masks = (f"{split}_{what}" for what in WHAT)
            _check_images(self._arrays[images], f"{where} {called[images]}")
            _check_masks(self._arrays.get(masks), self._arrays[images], f"{where} {called.get(masks)}")
            stored = self._arrays[labels]
            self._arrays[labels] = indices = _indices(stored)
            _check_labels(indices, len(self._arrays[images]), f"{where} {called[labels]}", classes=classes)
            if stored.ndim == 2 and stored.shape[1] > 1:
                width = max(width, _one_hot_width(stored, known, f"{where} {called[labels]}"))
                self.remarks += (f"{called[labels]} are one-hot: the place of the 1 is the class",)
            used |= set(np.unique(indices).astype(int).tolist())
            image = int(indices.argmax())
            greatest = max(greatest, (int(indices[image]), f"{where} {called[labels]}: image {image}"))
        self.remarks += () if known is not None or width else tuple(remarks_on_indices(used))
        names = np.arange(max(greatest[0] + 1, width)) if known is None else known
        complete = known is not None or width > 0
        label_range = LabelRange(least=min(used), greatest=greatest[0], where=greatest[1], complete=complete)
        return tuple(str(name) for name in names), label_range


def _names(stored: Sequence[str], *, where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Which stored array is which of ours, and what is said of it. Raises ConfigError where none judges."""
    prefixes = {name.removesuffix(f"_{what}") for name in stored for what in WHAT if name.endswith(f"_{what}")}
    called = split_names(sorted(prefixes), where=where)
    judging = called.get("test") or called.get("val")
    if judging is None:
        raise ConfigError(f"{where}: expected arrays test_images and test_labels, got {quoted(stored) or 'none'}")
    calibrating = called.get("train") or (called.get("val") if "test" in called else None)
    splits = {"train": calibrating, "test": judging} if calibrating else {"test": judging}
    for name in splits.values():
        if not {f"{name}_images", f"{name}_labels"} <= set(stored):
            raise ConfigError(f"{where}: expected arrays {name}_images and {name}_labels, got {quoted(stored)}")
    names = {f"{split}_{what}": f"{name}_{what}" for split, name in splits.items() for what in WHAT}
    names = {ours: theirs for ours, theirs in {**names, "class_names": "class_names"}.items() if theirs in stored}
    remarks = [] if "test" in called else [f'"{judging}" judges, there is no split called test']
    if calibrating and "train" not in called:
        remarks.append(f'"{calibrating}" calibrates, there is no split called train')
    unread = [name for name in stored if name not in names.values()]
    return names, (*remarks, *([f"arrays that are not read: {quoted(unread)}"] if unread else []))


def _arrays(archive: zipfile.ZipFile, names: Mapping[str, str]) -> dict[str, Values]:
    """The arrays that a data set has; others are not even unpacked. Raises ValueError for what they are not."""
    entries = {ours: archive.getinfo(f"{theirs}.npy") for ours, theirs in names.items()}
    left, arrays = MOST_ARRAYS, {}
    for name, entry in entries.items():
        check_bytes(entry, at_most=left)
        left -= entry.file_size
        with archive.open(entry) as file:
            _check_header(file, entry)
        with archive.open(entry) as file:
            arrays[name] = _NPY.read_array(file, allow_pickle=False, max_header_size=MOST_HEADER)
    return arrays


def read_arrays(path: Path, *, where: str) -> dict[str, Values]:
    """All arrays of an .npz file by name. Raises ConfigError that begins with `where`."""
    with (
        open_regular(path, where=where, at_most=MOST_ARRAYS) as file,
        reading(path, where=where, kind="an .npz file of arrays"),
        archive_in(file) as archive,
    ):
        stored = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        return _arrays(archive, dict(zip(stored, stored, strict=True)))


def _check_header(file: Any, entry: zipfile.ZipInfo) -> None:
    """An array is allocated as its header says, so that has to fit the bytes that follow."""
    version = _NPY.read_magic(file)
    readers = {(1, 0): _NPY.read_array_header_1_0, (2, 0): _NPY.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{entry.filename} has version {version} of the format of arrays")
    try:
        shape, _, dtype = readers[version](file, max_header_size=MOST_HEADER)
    except Exception as error:  # NumPy reads it as Python, and broken Python has many names
        raise ValueError(f"{entry.filename} has no header of an array") from error
    if dtype.hasobject or dtype.names:
        raise ValueError(f"{entry.filename} holds Python objects, expected numbers or texts")
    said, there = math.prod(shape) * dtype.itemsize, entry.file_size - file.tell()
    if min(shape, default=0) < 0 or said != there:
        raise ValueError(f"{entry.filename} says {dtype} {shape}, {said:,} bytes, and holds {there:,}")


def _check_images(images: Values, where: str) -> None:
    expected = f"uint8 (N, H, W, C) of 1 to {MOST_CHANNELS} channels, or (N, H, W) for grey"
    if images.ndim == 2:
        raise ConfigError(
            f"{where}: expected images, {expected}, got vectors {images.dtype} {images.shape}",
            hint="reshape them if they are images; maps cannot explain other measurements",
        )
    if images.dtype != np.uint8:
        hint = "np.uint8(np.round(255 * images)) of values from 0 to 1" if images.dtype.kind == "f" else ""
        raise ConfigError(f"{where}: expected {expected}, got {images.dtype} {images.shape}", hint=hint)
    if images.ndim not in (3, 4) or (images.ndim == 4 and not 1 <= images.shape[3] <= MOST_CHANNELS):
        hint = "images.transpose(0, 2, 3, 1): channels come last" if images.ndim == 4 else ""
        raise ConfigError(f"{where}: expected {expected}, got {images.dtype} {images.shape}", hint=hint)
    if not images.size:
        raise ConfigError(f"{where}: expected at least one image with pixels, got shape {images.shape}")


def _indices(labels: Values) -> Values:
    """(N,) class indices of a column (N, 1), and of one-hot rows (N, K): a single 1 each, the rest 0."""
    if labels.ndim != 2 or labels.dtype.kind not in "biuf":
        return labels
    if labels.shape[1] == 1:
        return labels[:, 0]
    is_one_hot = np.isin(labels, (0, 1)).all() and (np.count_nonzero(labels, axis=1) == 1).all()
    return labels.argmax(axis=1) if is_one_hot else labels


def _one_hot_width(labels: Values, names: Values | None, where: str) -> int:
    if names is not None and labels.shape[1] != len(names):
        raise ConfigError(
            f"{where}: expected one-hot rows of {len(names)}, as many as class_names, got {labels.shape[1]}"
        )
    return int(labels.shape[1])


def _check_labels(labels: Values, count: int, where: str, *, classes: int) -> None:
    """Whole numbers, also where floats hold them, of classes that there are."""
    if labels.shape != (count,):
        raise ConfigError(
            f"{where}: expected one class, or one-hot rows, for each of {count} images, got {labels.shape}"
        )
    if labels.dtype.kind not in "iuf":
        raise ConfigError(f"{where}: expected whole numbers, got {labels.dtype}")
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((labels >= 0) & (labels < classes) & (labels == np.floor(labels))))
    if len(wrong):
        got = shown(labels[wrong[0]].item())
        raise ConfigError(f"{where}: expected whole numbers from 0 to {classes - 1:,}, got {got} for image {wrong[0]}")


def _check_masks(masks: Values | None, images: Values, where: str) -> None:
    if masks is None:
        return
    if masks.shape != images.shape[:3] or masks.dtype.kind not in "biuf":
        raise ConfigError(
            f"{where}: expected numbers {images.shape[:3]}, one mask for each image and of its size, "
            f"got {masks.dtype} {masks.shape}"
        )
    if masks.dtype.kind == "f" and not np.isfinite(masks).all():
        raise ConfigError(f"{where}: expected zero or another number for each pixel, got NaN or infinity")
