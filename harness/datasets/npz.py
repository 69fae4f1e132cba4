"""Images, labels and masks as arrays in one .npz file."""

from __future__ import annotations

import hashlib
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import MOST_CLASSES, Sample
from harness.datasets.zip_files import archive_in, check_bytes, reading
from harness.errors import ConfigError, shown
from harness.regular_files import MIB, open_regular

NAMES = (*(f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels", "masks")), "class_names")
MOST_ARRAYS = 2048 * MIB  # all arrays together, which are held in memory: 14,000 images of 224x224
MOST_HEADER = 4096  # bytes that describe an array before its values

Values = NDArray[Any]
_NPY: Any = np.lib.format  # NumPy's own types lack some of its arguments


class NpzDataset:
    """`test_images` uint8 (N, H, W, 3) and `test_labels` (N,) are needed; `train_…` for formats that calibrate.

    Optional: `test_masks` (N, H, W), where any value but zero is the object, and `class_names`.
    """

    def __init__(self, path: Path) -> None:
        where = "[dataset] path"
        with open_regular(path, where=where, at_most=MOST_ARRAYS) as file:
            with reading(path, where=where, kind="an .npz file of arrays"), archive_in(file) as archive:
                self._arrays = _arrays(archive)
            names = self._checked(f'{where}: "{path}"')
            self.class_names = tuple(str(name) for name in names)
            file.seek(0)
            self.fingerprint = hashlib.file_digest(file, "sha256").hexdigest()

    def size(self, split: str) -> int:
        return len(self._arrays.get(f"{split}_images", ()))

    def sample(self, split: str, index: int) -> Sample:
        masks = self._arrays.get(f"{split}_masks")
        return Sample(
            key=f"{split}/{index:06d}",
            image=self._arrays[f"{split}_images"][index],
            label=int(self._arrays[f"{split}_labels"][index]),
            mask=None if masks is None else masks[index].astype(bool),
        )

    def _checked(self, where: str) -> Values:
        """The names of the classes, after a look at every array."""
        known = self._arrays.get("class_names")
        if known is not None and (known.ndim != 1 or known.dtype.kind not in "USiu" or len(known) > MOST_CLASSES):
            raise ConfigError(f"{where} class_names: expected texts (classes,), got {known.dtype} {known.shape}")
        greatest = -1
        for split in ("train", "test"):
            images, labels = (self._arrays.get(f"{split}_{what}") for what in ("images", "labels"))
            if images is None and split == "train":
                continue
            if images is None or labels is None:
                raise ConfigError(f"{where}: expected arrays {split}_images and {split}_labels")
            _check_images(images, f"{where} {split}_images")
            _check_masks(self._arrays.get(f"{split}_masks"), images, f"{where} {split}_masks")
            classes = MOST_CLASSES if known is None else len(known)
            _check_labels(labels, len(images), f"{where} {split}_labels", classes=classes)
            greatest = max(greatest, int(labels.max()))
        return np.arange(greatest + 1) if known is None else known


def _arrays(archive: zipfile.ZipFile) -> dict[str, Values]:
    """The arrays that a data set has; others are not even unpacked. Raises ValueError for what they are not."""
    entries = {name: archive.getinfo(f"{name}.npy") for name in NAMES if f"{name}.npy" in archive.namelist()}
    left, arrays = MOST_ARRAYS, {}
    for name, entry in entries.items():
        check_bytes(entry, at_most=left)
        left -= entry.file_size
        with archive.open(entry) as file:
            _check_header(file, entry)
        with archive.open(entry) as file:
            arrays[name] = _NPY.read_array(file, allow_pickle=False, max_header_size=MOST_HEADER)
    return arrays


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
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ConfigError(f"{where}: expected uint8 (N, H, W, 3), got {images.dtype} {images.shape}")
    if not images.size:
        raise ConfigError(f"{where}: expected at least one image with pixels, got shape {images.shape}")


def _check_labels(labels: Values, count: int, where: str, *, classes: int) -> None:
    """Whole numbers, also where floats hold them, of classes that there are."""
    if labels.shape != (count,):
        raise ConfigError(f"{where}: expected one for each of {count} images, got {labels.shape}")
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
