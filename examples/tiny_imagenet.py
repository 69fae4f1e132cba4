"""Makes an image folder with boxes from 20 classes of Tiny-ImageNet: what photo-float and photo-binary are trained on.

    mkdir -p data
    curl -L -o data/tiny-imagenet-200.zip http://cs231n.stanford.edu/tiny-imagenet-200.zip    # 237 MiB
    python examples/tiny_imagenet.py data/tiny-imagenet-200.zip data/tiny-imagenet-20

500 photographs of each class to train on. The 50 of each class that Tiny-ImageNet validates on become the test split,
since it keeps the labels of its own test images to itself.
"""

from __future__ import annotations

import argparse
import csv
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = "tiny-imagenet-200"
CLASSES = {
    "n01443537": "goldfish",
    "n01629819": "European_fire_salamander",
    "n01644900": "tailed_frog",
    "n01774384": "black_widow",
    "n01944390": "snail",
    "n02056570": "king_penguin",
    "n02123045": "tabby",
    "n02165456": "ladybug",
    "n02206856": "bee",
    "n02281406": "sulphur_butterfly",
    "n02423022": "gazelle",
    "n02504458": "African_elephant",
    "n02509815": "lesser_panda",
    "n02948072": "candle",
    "n03444034": "go-kart",
    "n03617480": "kimono",
    "n03891332": "parking_meter",
    "n04146614": "school_bus",
    "n04356056": "sunglasses",
    "n07753592": "banana",
}
COLUMNS = ("path", "class_index", "class_name", "x_min", "y_min", "x_max", "y_max")

Photograph = tuple[str, str, str, list[int]]  # where it is in the archive, its new path, its class, its box


def photographs(archive: zipfile.ZipFile) -> Iterator[Photograph]:
    """Those of the 20 classes, by split and class; a box is left, top, right and bottom pixel, both ends inside."""
    for number, name in CLASSES.items():
        for file, *box in _table(archive, f"train/{number}/{number}_boxes.txt"):
            new = f"train/{number}_{name}/{Path(file).stem}.jpg"
            yield f"{ROOT}/train/{number}/images/{file}", new, number, [int(edge) for edge in box]
    for file, number, *box in _table(archive, "val/val_annotations.txt"):
        if number in CLASSES:
            new = f"test/{number}_{CLASSES[number]}/{Path(file).stem}.jpg"
            yield f"{ROOT}/val/images/{file}", new, number, [int(edge) for edge in box]


def _table(archive: zipfile.ZipFile, name: str) -> list[list[str]]:
    return [line.split("\t") for line in archive.read(f"{ROOT}/{name}").decode().splitlines()]


def write(archive: zipfile.ZipFile, folder: Path) -> int:
    """Write the image folder and a labels.csv with boxes as pixel edges. Returns how many photographs there are."""
    order, rows = list(CLASSES), []
    for source, new, number, (left, top, right, bottom) in photographs(archive):
        path = folder / new
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(source))
        rows.append((new, order.index(number), CLASSES[number], left, top, right + 1, bottom + 1))
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return len(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help=f"{ROOT}.zip")
    parser.add_argument("folder", type=Path, help="where to write the image folder")
    options = parser.parse_args()
    try:
        with zipfile.ZipFile(options.archive) as archive:
            count = write(archive, options.folder)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        print(f'"{options.archive}": expected {ROOT}.zip as it is published: {error}', file=sys.stderr)
        return 2
    print(f"{options.folder}: {count:,} photographs of {len(CLASSES)} classes, with boxes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
