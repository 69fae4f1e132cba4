"""GradCAM at every reading of "the last layer": blank maps, insertion, mass in the object, and how they differ.

    python benchmarks/cam_layers.py [--cifar ARCHIVE.zip] [--photos FOLDER] [--json]
    python benchmarks/cam_layers.py --model FILE --data PATH [--resize N] [--normalization NAME] [--json]

Readings are the last convolution by itself, what its norm, its activation and the residual sum make of it, the layer
that bitlens takes, and the one that tf-keras-vis takes where nobody names one (benchmarks/cam_readings.py). Without a
model it asks the twins on generated images, and those of CIFAR-10 and of photographs where their data are given.

A map is counted as blank on all images. Insertion (the class's probability as pixels of the image come in, the map's
greatest first, on its blurred copy) is measured on a drawn part. A layer's score is the mean over the images on which
its map and that of bitlens' default both show something, and so is its difference to the default's: an image on which
it is blank costs it nothing. The class is the predicted one. Ratios are insertion at the default over that at the
convolution by itself; above 1 speaks for the default. Intervals are 95 %: Wilson's for blank maps, bootstrap for means.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cam_readings import CONVOLUTION, DEFAULT, ReadLayer, read_layers
from harness import keras_packages
from harness.models.declared import NORMALIZATIONS
from reports.data.stats import Interval, mean_interval, wilson

CHUNK = 50  # images decoded at a time
OTHERS = ("gradient", "random", "centre")  # maps that no layer is chosen for
INSERTION, MASS = "insertion_auc", "mass_in_object"

Values = NDArray[np.float64]  # (images,), NaN where a map is blank or was not scored


@dataclass(frozen=True, slots=True, kw_only=True)
class OfLayer:
    """A layer's maps on all images.

    all_negative blank maps whose values are negative, or 0 at most, before their ReLU.
    likeness     rank correlation with the default's map, in the layers' own size; `reversed` counts those below 0.
    difference   of a score by its name: this layer's minus the default's, on `scored` images.
    """

    readings: tuple[str, ...]
    size: tuple[int, int]
    blank: int
    blank_fraction: Interval | None
    all_negative: int
    likeness: Interval | None
    reversed: int
    score: dict[str, Interval | None]
    difference: dict[str, Interval | None]
    scored: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfNetwork:
    """One network on its images.

    drawn           images drawn for insertion.
    positive_sum    images on which the default's map has a positive sum before its ReLU, so that it cannot be blank for
                    its sign.
    ratio           see the module.
    """

    images: int
    drawn: int
    positive_sum: int
    layers: dict[str, OfLayer]
    others: dict[str, dict[str, Interval | None]]
    ratio: float | None


def main() -> None:
    arguments = _arguments()
    keras_packages.set_up()
    from benchmarks.cam_networks import networks
    from harness.saliency.threads import use_one_thread_per_batch

    use_one_thread_per_batch()
    figures = {network.name: measure(network, drawn=arguments.insertion) for network in networks(arguments)}
    result = {
        "ratios": {f"insertion_{name}": found.ratio for name, found in figures.items() if found.ratio},
        "figures": {name: asdict(found) for name, found in figures.items()},
    }
    print(json.dumps(result, indent=1) if arguments.json else f"{table_of_maps(figures)}\n\n{table_of_scores(figures)}")


def measure(network: Any, *, drawn: int) -> OfNetwork:
    """The maps of a `cam_networks.Network` at each reading, with insertion on `drawn` images."""
    from benchmarks.cam_maps import maps_of, scores_of
    from harness.saliency import GradientEngine

    engine = GradientEngine(network.keras_model)
    layers = read_layers(network.keras_model)
    images = len(network.places)
    chosen = np.sort(np.random.default_rng(0).permutation(images)[:drawn])
    parts = []
    for first in range(0, images, CHUNK):
        pixels, masks = network.pictures(first, first + CHUNK)
        maps = maps_of(engine, network.model, layers, pixels, first)
        parts.append(scores_of(engine, network.model, maps, pixels, masks, np.isin(maps.indices, chosen)))
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return summary(layers, columns, drawn=len(chosen))


def summary(layers: list[ReadLayer], columns: Mapping[tuple[str, str], Values], *, drawn: int) -> OfNetwork:
    """The figures of a network. `columns` has a value for each image by (score, name of a layer or another map)."""
    default = next(layer.name for layer in layers if DEFAULT in layer.readings)
    of_layers = {layer.name: _of_layer(layer, columns, default) for layer in layers}
    convolution = next((of_layers[layer.name] for layer in layers if CONVOLUTION in layer.readings), None)
    return OfNetwork(
        images=len(columns["blank", default]),
        drawn=drawn,
        positive_sum=int((columns["sum", default] > 0).sum()),
        layers=of_layers,
        others={name: {score: _mean(columns[score, name]) for score in (INSERTION, MASS)} for name in OTHERS},
        ratio=_ratio(convolution),
    )


def _of_layer(layer: ReadLayer, columns: Mapping[tuple[str, str], Values], default: str) -> OfLayer:
    blank, likeness = columns["blank", layer.name], columns["likeness", layer.name]
    score, difference, scored = {}, {}, {}
    for name in (INSERTION, MASS):
        both = np.stack([columns[name, layer.name], columns[name, default]])
        own, of_default = both[:, ~np.isnan(both).any(axis=0)]
        score[name], difference[name], scored[name] = _mean(own), _mean(own - of_default), len(own)
    return OfLayer(
        readings=layer.readings,
        size=layer.size,
        blank=int(blank.sum()),
        blank_fraction=wilson(int(blank.sum()), len(blank)),
        all_negative=int(columns["all negative", layer.name].sum()),
        likeness=_mean(likeness),
        reversed=int((likeness < 0).sum()),
        score=score,
        difference=difference,
        scored=scored,
    )


def _mean(values: Values) -> Interval | None:
    return mean_interval(values[~np.isnan(values)].tolist())


def _ratio(convolution: OfLayer | None) -> float | None:
    own, difference = (convolution.score[INSERTION], convolution.difference[INSERTION]) if convolution else (None, None)
    return round((own.value - difference.value) / own.value, 3) if own and difference else None


def table_of_maps(figures: Mapping[str, OfNetwork]) -> str:
    rows = []
    for name, found in figures.items():
        for layer, of_layer in found.layers.items():
            blank = of_layer.blank_fraction
            rows.append(
                (
                    name,
                    f"`{layer}`",
                    ", ".join(of_layer.readings),
                    f"{of_layer.size[0]}×{of_layer.size[1]}",
                    f"{of_layer.blank} of {found.images:,}",
                    f"{100 * blank.low:.1f} to {100 * blank.high:.1f} %" if blank else "",
                    "" if DEFAULT in of_layer.readings else _text(of_layer.likeness),
                    "" if DEFAULT in of_layer.readings or not of_layer.likeness else str(of_layer.reversed),
                    str(found.positive_sum) if DEFAULT in of_layer.readings else "",
                )
            )
    head = (
        "network",
        "layer",
        "readings",
        "map",
        "blank maps",
        "95 %",
        "likeness to bitlens' default",
        "below 0",
        "sum above 0",
    )
    return _table(head, rows)


def table_of_scores(figures: Mapping[str, OfNetwork]) -> str:
    rows = []
    for name, found in figures.items():
        for layer, of_layer in found.layers.items():
            cells = [cell for score in (INSERTION, MASS) for cell in _score_cells(of_layer, score)]
            rows.append((name, f"`{layer}`", *cells))
        for other, scores in found.others.items():
            rows.append((name, other, _value(scores[INSERTION]), "", "", _value(scores[MASS]), "", ""))
    head = (
        "network",
        "map",
        "insertion",
        "minus the default's",
        "images",
        "mass in object",
        "minus the default's",
        "images",
    )
    return _table(head, rows)


def _score_cells(of_layer: OfLayer, score: str) -> tuple[str, str, str]:
    count = str(of_layer.scored[score] or "")
    difference = "" if DEFAULT in of_layer.readings else _text(of_layer.difference[score], sign="+")
    return _value(of_layer.score[score]), difference, count


def _value(interval: Interval | None) -> str:
    return f"{interval.value:.3f}" if interval else ""


def _text(interval: Interval | None, *, sign: str = "") -> str:
    if interval is None:
        return ""
    if interval.low is None:  # of too few images
        return f"{interval.value:{sign}.3f}"
    return f"{interval.value:{sign}.3f} ({interval.low:{sign}.3f} to {interval.high:{sign}.3f})"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a Keras file of a classifier")
    parser.add_argument("--data", help="images for it: a folder or an archive")
    parser.add_argument("--resize", type=int, help="shorter side of a picture before it is cropped for --model")
    parser.add_argument("--normalization", choices=NORMALIZATIONS, help="of the pixels for --model")
    parser.add_argument("--cifar", help="the CIFAR-10 archive, for the twins of CIFAR-10")
    parser.add_argument(
        "--photos", help="the folder that examples/tiny_imagenet.py makes, for the twins of photographs"
    )
    parser.add_argument("--images", type=int, default=1000, help="of each network (default 1000)")
    parser.add_argument("--insertion", type=int, default=200, help="images drawn for insertion (default 200)")
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    arguments = parser.parse_args()
    if bool(arguments.model) != bool(arguments.data):
        parser.error("--model and --data go together")
    return arguments


if __name__ == "__main__":
    main()
