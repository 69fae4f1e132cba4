"""CIFAR-10 in whichever form it lies there: its authors' archive, the folder in it, or a zip of JPEGs."""

from __future__ import annotations

from pathlib import Path

from harness.datasets.cifar10_archive import MOST_BYTES, WHERE, Cifar10Archive
from harness.datasets.cifar10_batches import KIND, Cifar10Batches
from harness.datasets.cifar10_layout import FETCH, folder_of_batches
from harness.datasets.dataset import Dataset
from harness.datasets.tar_files import GZIP
from harness.errors import ConfigError
from harness.regular_files import open_regular

_TAR, _TAR_AT = b"ustar", 257


def open_cifar10(path: Path) -> Dataset:
    """The data set at a path, told by what is there, not by its name. Raises ConfigError."""
    if not path.exists():
        raise ConfigError(f'{WHERE}: found no file "{path}"', hint=f"{FETCH}, or --data and where it is")
    if path.is_dir():
        if folder_of_batches(path) is None:
            raise ConfigError(
                f'{WHERE}: expected CIFAR-10, found no file test_batch in the folder "{path}"', hint=FETCH
            )
        return Cifar10Batches(path)
    with open_regular(path, where=WHERE, at_most=MOST_BYTES) as file:
        start = file.read(512)
    if start.startswith(b"PK"):
        return Cifar10Archive(path)
    if start.startswith(GZIP) or start[_TAR_AT:].startswith(_TAR):
        return Cifar10Batches(path)
    raise ConfigError(f'{WHERE}: expected {KIND}, or a zip of its pictures as JPEGs, "{path}" is neither', hint=FETCH)
