"""The names of the files in which CIFAR-10's authors distribute it."""

from __future__ import annotations

from pathlib import Path

FETCH = "curl -LO https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")
BATCHES = ("test_batch", *(f"data_batch_{number}" for number in range(1, 6)))
FILES = (*BATCHES, *(f"{name}.bin" for name in BATCHES), "batches.meta", "batches.meta.txt")


def folder_of_batches(path: Path) -> Path | None:
    """The folder itself, or the one in it that the archive unpacks to, if it has a batch; None for any other folder."""
    return next((each for each in (path, *(path / name for name in FOLDERS)) if _has_one(each)), None)


def _has_one(folder: Path) -> bool:
    return any((folder / f"{name}{end}").is_file() for name in BATCHES for end in ("", ".bin"))
