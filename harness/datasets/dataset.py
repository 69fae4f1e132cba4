"""What every data set is: two splits of labelled images, some with the object's mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MOST_PIXELS = 2**27  # of a picture: 134 million, 11585 x 11585; 1 to 1.3 GiB of memory while it is decoded
MOST_CHANNELS = 16  # of an image, and of a model that takes it
MOST_CLASSES = 100_000  # each has a name in every record of images; ImageNet-22k has 21,841


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image. `key` names it for ever: the same key is the same pixels in the same data set."""

    key: str
    image: NDArray[np.uint8]  # (H, W, C): 1 is grey, 3 is RGB
    label: int
    mask: NDArray[np.bool_] | None = None  # (H, W), true on the object


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRange:
    """The least and the greatest label of all splits, for whoever knows how many classes a model has.

    where     begins a sentence about the greatest: its row of labels.csv, or what else says it.
    complete  whether class_names are all classes there are, as with class folders: a model of more has other classes.
    """

    least: int
    greatest: int
    where: str
    complete: bool


class Dataset(Protocol):
    """Images by split and index. `test` judges accuracy; `train` calibrates and never judges."""

    class_names: tuple[str, ...]
    fingerprint: str  # hash of all that determines the pixels and labels
    label_range: LabelRange
    remarks: tuple[str, ...]  # what was skipped, set aside or changed, one sentence each, for whoever starts a run

    def size(self, split: str) -> int:
        """Number of images in a split; a generated split may be as large as its index allows."""
        ...

    def sample(self, split: str, index: int) -> Sample:
        """The image of this index, decoded."""
        ...


def stack(dataset: Dataset, split: str, indices: Sequence[int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, H, W, 3) and labels (N,) of data sets whose images all have one size."""
    samples = [dataset.sample(split, index) for index in indices]
    return np.stack([s.image for s in samples]), np.array([s.label for s in samples], np.int64)
