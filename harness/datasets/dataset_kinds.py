"""The kinds of data sets, one row each, and how a data set is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.cifar10_layout import folder_of_batches
from harness.datasets.dataset import Dataset
from harness.errors import ConfigError, quoted
from harness.registry import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """One kind of data set. `open` names what makes it from a path, or from a seed where the images are generated.

    options  what else of the [dataset] table that takes.
    """

    open: str
    summary: str
    generated: bool = False
    options: tuple[str, ...] = ()


DATASETS: dict[str, DatasetSpec] = {
    "planted": DatasetSpec(
        open="harness.datasets.planted:PlantedDataset",
        summary="generated 64x64 images of ten shapes, with the object's exact mask; nothing to download",
        generated=True,
    ),
    "cifar10-archive": DatasetSpec(
        open="harness.datasets.cifar10:open_cifar10",
        summary="CIFAR-10: cifar-10-python.tar.gz, cifar-10-binary.tar.gz, the folder in one, "
        "or a zip of JPEGs, train|test/<class>/N.jpg",
    ),
    "image-folder": DatasetSpec(
        open="harness.datasets.image_folder:ImageFolder",
        summary="a folder of photos: train|val|test/<class>/FILE, <class>/FILE, or labels.csv (path, class_index); "
        "optional masks (PNG) or boxes (VOC XML, labels.csv)",
        options=("classes", "alpha_over", "exif"),
    ),
    "npz": DatasetSpec(
        open="harness.datasets.npz:NpzDataset",
        summary="arrays in one .npz: {train,val,test}_images uint8 (N,H,W[,C]), _labels (N,), optional _masks (N,H,W)",
    ),
}


WHERE = "a path from the experiment file's folder on, or --data with another one"


def kind_of(path: str | None) -> str:
    """The kind of data set that a path means by itself. Raises ConfigError for one that may be anything."""
    if path is None:
        raise ConfigError("[dataset]: expected a kind or a path, got neither", hint=f"kind: {', '.join(DATASETS)}")
    if os.path.isdir(path):
        return "cifar10-archive" if folder_of_batches(Path(path)) else "image-folder"
    kinds = {".npz": "npz", **dict.fromkeys((".zip", ".tar", ".gz", ".tgz"), "cifar10-archive")}
    suffix = os.path.splitext(path)[1].lower()
    if not os.path.lexists(path) and suffix not in kinds:
        raise ConfigError(f'[dataset] path: found nothing at "{path}"', hint=WHERE)
    if suffix not in kinds:
        raise ConfigError(
            f'[dataset] kind: expected one, since "{path}" is neither a folder of images nor an .npz, .zip or .tar.gz '
            "file",
            hint=", ".join(DATASETS),
        )
    return kinds[suffix]


def open_dataset(kind: str, *, path: str | None, seed: int, **options: str) -> Dataset:
    """The data set of a checked `[dataset]` table. Raises ConfigError when its path or options do not fit its kind."""
    spec = DATASETS[kind]
    for name in options:
        if name not in spec.options:
            takers = quoted(other for other, each in DATASETS.items() if name in each.options)
            raise ConfigError(f'[dataset] {name}: kind "{kind}" takes none', hint=f"kind = {takers}, or no such key")
    if spec.generated:
        generated: Dataset = resolve(spec.open)(seed=seed)
        return generated
    if path is None:
        raise ConfigError(f'[dataset] path: expected one, because kind "{kind}" reads files')
    from_files: Dataset = resolve(spec.open)(Path(path).expanduser(), **options)
    return from_files
