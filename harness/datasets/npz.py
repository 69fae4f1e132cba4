"""Images, labels and masks as arrays in one .npz file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from harness.datasets.dataset import Sample
from harness.errors import ConfigError


class NpzDataset:
    """`test_images` uint8 (N, H, W, 3) and `test_labels` (N,) are needed; `train_…` for formats that calibrate.

    Optional: `test_masks` (N, H, W), where any value but zero is the object, and `class_names`.
    """

    def __init__(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                self._arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            raise ConfigError(
                f'[dataset] path: expected an .npz file of arrays, "{path}" is not one ({error})'
            ) from error
        self._check(path)
        labels = self._arrays["test_labels"]
        names = self._arrays.get("class_names", np.arange(int(labels.max()) + 1))
        self.class_names = tuple(str(name) for name in names)
        self.fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()

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

    def _check(self, path: Path) -> None:
        for split in ("train", "test"):
            images, labels = (self._arrays.get(f"{split}_{what}") for what in ("images", "labels"))
            if images is None and split == "train":
                continue
            if images is None or labels is None:
                raise ConfigError(f'[dataset] path: "{path}": expected arrays {split}_images and {split}_labels')
            where = f'[dataset] path: "{path}" {split}'
            if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
                raise ConfigError(f"{where}_images: expected uint8 (N, H, W, 3), got {images.dtype} {images.shape}")
            if labels.shape != (len(images),):
                raise ConfigError(f"{where}_labels: expected one for each of {len(images)} images, got {labels.shape}")
            masks = self._arrays.get(f"{split}_masks")
            if masks is not None and (masks.shape != images.shape[:3] or masks.dtype.kind not in "biuf"):
                raise ConfigError(
                    f"{where}_masks: expected numbers {images.shape[:3]}, one mask for each image and of its size, "
                    f"got {masks.dtype} {masks.shape}"
                )
