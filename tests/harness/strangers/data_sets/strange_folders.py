"""Folders of pictures that say what they are, so that what a data set makes of them can be read off their pixels.

Every picture has one colour, whose red says which animal it shows.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.dataset import Dataset
from harness.datasets.dataset_kinds import open_dataset
from harness.errors import ConfigError

RED = {"cat": 10, "dog": 110, "eel": 210}  # and one more for each further picture of a class


def png(red: int, *, side: int = 4) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (red, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def put(folder: Path, *places: str, count: int = 2) -> None:
    """Some pictures in each place, whose class is the first animal that the place names."""
    for place in places:
        (folder / place).mkdir(parents=True, exist_ok=True)
        red = next((red for name, red in RED.items() if name in place.lower()), 0)
        for number in range(count):
            content = png(red + 2 * number + (20 if "test" in place else 0) + (40 if "val" in place else 0))
            (folder / place / f"{number}.png").write_bytes(content)


def opened(folder: Path, **options: str) -> Dataset:
    return open_dataset("image-folder", path=str(folder), seed=0, **options)


def keys(dataset: Dataset, split: str) -> set[str]:
    return {dataset.sample(split, index).key for index in range(dataset.size(split))}


def names_by_red(dataset: Dataset) -> set[tuple[str, str]]:
    """(the animal that a picture shows, what the data set calls it), of all pictures."""
    shown = {red + more: name for name, red in RED.items() for more in range(100)}
    samples = [dataset.sample(split, i) for split in ("train", "test") for i in range(dataset.size(split))]
    return {(shown[int(sample.image[0, 0, 0])], dataset.class_names[sample.label]) for sample in samples}


RIGHT = {("cat", "cat"), ("dog", "dog"), ("eel", "eel")}


def refusal(folder: Path, **options: str) -> str:
    with pytest.raises(ConfigError) as caught:
        opened(folder, **options)
    return str(caught.value)


def said(dataset: Dataset) -> str:
    return "\n".join(dataset.remarks)


def labels_of(dataset: Dataset) -> set[tuple[str, int]]:
    samples = [dataset.sample(split, i) for split in ("train", "test") for i in range(dataset.size(split))]
    return {(sample.key, sample.label) for sample in samples}


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def one_picture(folder: Path, content: bytes, *, suffix: str = ".png", **options: str) -> tuple[np.ndarray, Dataset]:
    for name in ("a", "b"):
        (folder / "train" / name).mkdir(parents=True)
        (folder / "test" / name).mkdir(parents=True)
        (folder / "train" / name / f"0{suffix}").write_bytes(png(200))
    (folder / "test" / "a" / f"0{suffix}").write_bytes(content)
    dataset = opened(folder, **options)
    return dataset.sample("test", 0).image, dataset


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
