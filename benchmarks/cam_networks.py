"""The networks of benchmarks/cam_layers.py, each with the images that it is asked about."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Dataset, Sample
from harness.datasets.dataset_kinds import kind_of, open_dataset
from harness.datasets.geometry import fit_image, fit_mask
from harness.models.catalogue import CATALOGUE, Model, catalogue_model
from harness.models.completion import complete
from harness.models.declared import Declared
from harness.models.loading import load_model
from harness.models.lookup import own_file

LOOKED_AT = 8  # images by which it is found what a model's outputs are


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A classifier with its weights, and (split, index) of each of its images."""

    name: str
    model: Model
    keras_model: Any
    dataset: Dataset
    places: Sequence[tuple[str, int]]

    def pictures(self, first: int, stop: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Images (N, H, W, C) at the size of the model's input, and masks (N, H, W) if all images have one."""
        record = self.model.preprocessing
        samples = [self.dataset.sample(*place) for place in self.places[first:stop]]
        images = np.stack([fit_image(sample.image, record) for sample in samples])
        masks = [fit_mask(sample.mask, record) for sample in samples if sample.mask is not None]
        return images, np.stack(masks) if len(masks) == len(samples) else None


def networks(arguments: argparse.Namespace) -> Iterator[Network]:
    """What the command line asks for: a file's network, or the twins whose data are at hand. One at a time."""
    if arguments.model:
        yield own_network(arguments)
        return
    data = {"planted": ("planted", None), "cifar": ("cifar10-archive", arguments.cifar)}
    data["photo"] = ("image-folder", arguments.photos)
    for family, (kind, path) in data.items():
        if path or kind == "planted":
            dataset = open_dataset(kind, path=path, seed=0)
            for name in (f"{family}-float", f"{family}-binary"):
                model = catalogue_model(name, CATALOGUE[name])
                yield Network(
                    name=name,
                    model=model,
                    keras_model=load_model(model),
                    dataset=dataset,
                    places=places(dataset, arguments.images),
                )


def own_network(arguments: argparse.Namespace) -> Network:
    """The network of a Keras file, with the preprocessing that the command line declares."""
    dataset = open_dataset(kind_of(arguments.data), path=arguments.data, seed=0)
    asked = places(dataset, arguments.images)
    declared = Declared(normalization=arguments.normalization, resize=arguments.resize)
    record = own_file(arguments.model, declared, output="", trusted=False, module=None)
    samples: list[Sample] = [dataset.sample(*place) for place in asked[:LOOKED_AT]]
    done = complete(record, [(sample.key, sample.image) for sample in samples], dataset)
    return Network(
        name=arguments.model.stem, model=done.model, keras_model=done.keras_model, dataset=dataset, places=asked
    )


def places(dataset: Dataset, most: int) -> list[tuple[str, int]]:
    """The first images of the test split; those that a folder without splits sets aside for calibration follow."""
    return [(split, index) for split in ("test", "train") for index in range(dataset.size(split))][:most]
