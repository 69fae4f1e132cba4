"""The figures of docs/saliency.md: grids of the paper's three methods.

    python benchmarks/saliency_figures.py twins planted --output docs/images/saliency-planted-twins.png
    python benchmarks/saliency_figures.py twins cifar --path ARCHIVE.zip --output FILE.png
    python benchmarks/saliency_figures.py networks PHOTO.jpg --output FILE.png

`twins`: rows are eight test images, columns the float and the binarized twin under each method, true class explained.
`networks`: rows are the paper's ten models with random weights, so that their maps mean nothing: a smoke test.
Every map is clipped at its 99th percentile and stretched to 0...1 by itself; channels are reduced by the greatest
absolute value.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from device.preprocessing import preprocess
from harness.datasets.dataset import stack
from harness.datasets.dataset_kinds import open_dataset
from harness.datasets.geometry import fit_image
from harness.maps import clip_percentile, stretch
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.saliency import GradientEngine, compute_many, saliency_map

CELL, MARGIN, LABEL = 112, 4, 130  # pixels
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("gradient", {}),
    ("smoothgrad", {"noise_level": 0.1, "samples": 25}),
    ("gradcam", {}),
]
KINDS = {"planted": "planted", "cifar": "cifar10-archive"}
TEN = [name for name, entry in CATALOGUE.items() if entry.twin is None]


def main() -> None:
    arguments = _arguments()
    rows = _twin_rows(arguments.what, arguments.path) if arguments.kind == "twins" else _model_rows(arguments.what)
    draw(rows).save(arguments.output)


def _twin_rows(name: str, path: str | None) -> dict[str, dict[str, np.ndarray]]:
    """Row label -> column label -> picture."""
    dataset = open_dataset(KINDS[name], path=path, seed=0)
    every = dataset.size("test") // 8 + 1  # spread over the split, and over the classes of one that is in their order
    pixels, labels = stack(dataset, "test", range(0, 8 * every, every)[:8])
    columns = {"image": pixels}
    for twin in ("float", "binary"):
        maps, predicted = maps_of(f"{name}-{twin}", pixels, labels)
        columns.update({f"{twin}\n{method}": values for method, values in maps.items()})
        print(f"{name}-{twin}: {(predicted == labels).sum()} of {len(labels)} right")
    return {
        f"{i + 1}. {dataset.class_names[label]}": {column: pictures[i] for column, pictures in columns.items()}
        for i, label in enumerate(labels)
    }


def _model_rows(photo: str) -> dict[str, dict[str, np.ndarray]]:
    rows = {}
    for name in TEN:
        pixels = fit_image(np.asarray(Image.open(photo).convert("RGB")), CATALOGUE[name].preprocessing)[None]
        maps, _ = maps_of(name, pixels, None)
        rows[name] = {"image": pixels[0], **{method: values[0] for method, values in maps.items()}}
    return rows


def maps_of(name: str, pixels: np.ndarray, labels: np.ndarray | None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Method -> maps (N, H, W) in 0...1, and the predicted classes."""
    entry = CATALOGUE[name]
    model = catalogue_model(name, entry, weights="random" if entry.weights == "imagenet" else None)
    engine = GradientEngine(load_model(model))
    keys = [f"figure/{i}" for i in range(len(pixels))]
    attributions = compute_many(engine, METHODS, preprocess(pixels, entry.preprocessing), labels, keys)
    for (method, _), attribution in zip(METHODS, attributions, strict=True):
        print(f"{name} {method}: {', '.join(attribution.notes) or 'no notes'}")
    maps = {
        method: stretch(clip_percentile(saliency_map(attribution.values, pixels.shape[1:3])))
        for (method, _), attribution in zip(METHODS, attributions, strict=True)
    }
    return maps, attributions[0].predicted


def draw(rows: dict[str, dict[str, np.ndarray]]) -> Image.Image:
    """The grid as a picture, with the labels of rows and columns."""
    columns = list(next(iter(rows.values())))
    step = CELL + MARGIN
    page = Image.new("RGB", (LABEL + step * len(columns), 34 + step * len(rows)), "white")
    pen = ImageDraw.Draw(page)
    for x, column in enumerate(columns):
        pen.text((LABEL + x * step, 4), column, fill="black")
    for y, (label, pictures) in enumerate(rows.items()):
        pen.text((4, 34 + y * step + CELL // 2), label, fill="black")
        for x, column in enumerate(columns):
            page.paste(_tile(pictures[column]), (LABEL + x * step, 34 + y * step))
    return page


def _tile(picture: np.ndarray) -> Image.Image:
    """A photo as it is, a map in grey, dark where it is strong."""
    values = picture if picture.dtype == np.uint8 else (255 * (1 - picture)).astype(np.uint8)
    return Image.fromarray(values).convert("RGB").resize((CELL, CELL))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("twins", "networks"))
    parser.add_argument("what", help="planted | cifar, or a photo")
    parser.add_argument("--path", help="the CIFAR archive")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
