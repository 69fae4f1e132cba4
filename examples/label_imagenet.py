"""Writes labels.csv into a folder of photographs whose names begin with their class, such as n01440764_tench.JPEG.

    python examples/label_imagenet.py data/imagenet-sample-images

The models count the 1,000 classes in the order of those numbers, so the folder needs a photograph of each.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

CLASSES = 1000
NAME = re.compile(r"(n\d{8})_(.+)\.(jpe?g|png)", re.IGNORECASE)


def rows(folder: Path) -> list[tuple[str, int, str]]:
    """Path, class index and class name of every photograph. Raises ValueError unless there is one of every class."""
    names = {path.relative_to(folder).as_posix(): NAME.fullmatch(path.name) for path in sorted(folder.rglob("*"))}
    found = {name: match for name, match in names.items() if match}
    order = {number: index for index, number in enumerate(sorted({match[1] for match in found.values()}))}
    if len(order) != CLASSES:
        raise ValueError(
            f'"{folder}": expected photographs of {CLASSES:,} classes, such as n01440764_tench.JPEG, '
            f"found {len(order):,} classes"
        )
    return [(name, order[match[1]], match[2]) for name, match in found.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    try:
        labels = rows(folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "class_index", "class_name"), *labels])
    print(f"{folder / 'labels.csv'}: {len(labels):,} photographs of {CLASSES:,} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
