"""Trains the twins of the catalogue and writes their weights and model cards.

    python -m harness.models.train planted-binary
    python -m harness.models.train cifar-binary --archive cifar10-jpeg.zip

Adam with a one-cycle learning rate (Smith & Topin 2018, arXiv:1708.07120); flips and shifts keyed by the seed. The card
states the accuracy on the whole test split, measured once, after training, with the weights as they are stored.

Two models are label-shuffled counterparts (Adebayo et al. 2018, arXiv:1810.03292): the same architecture, trained on
permuted labels until it has memorised them. What it learned has nothing to do with the classes, so a method whose maps
are the same for a model and its counterpart does not show what the model learned. For these models the accuracy on the
permuted labels of their training images is what counts; on the test split they are at chance.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.datasets.cifar10 import open_cifar10
from harness.datasets.dataset import Dataset, stack
from harness.datasets.planted import PlantedDataset
from harness.models.catalogue import minus_one_to_one
from harness.models.twins import build_twin

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one twin is trained. `peak_rate` is the highest learning rate; `shift` is in pixels.

    epochs      of each cycle; a second cycle is a warm restart (Loshchilov & Hutter 2017, arXiv:1608.03983).
    start_from  the twin whose weights training starts from. A binarized model that starts from its float twin finds
                small objects that it does not find from random weights (Bulat & Tzimiropoulos 2019, arXiv:1909.13863).
    images      how many of the training split; None is all.
    shuffled_labels  labels are permuted by the seed, and images are neither flipped nor shifted: to be memorised.
    """

    data: str
    image_size: int
    binarized: bool
    epochs: tuple[int, ...]
    peak_rate: float
    shift: int
    start_from: str | None = None
    batch_size: int = 100
    images: int | None = None
    shuffled_labels: bool = False


RECIPES = {
    "planted-float": Recipe(data="planted", image_size=64, binarized=False, epochs=(8,), peak_rate=3e-3, shift=4),
    "planted-binary": Recipe(
        data="planted",
        image_size=64,
        binarized=True,
        epochs=(16, 12),
        peak_rate=2e-3,
        shift=4,
        start_from="planted-float",
    ),
    "cifar-float": Recipe(data="cifar", image_size=32, binarized=False, epochs=(10,), peak_rate=3e-3, shift=3),
    "cifar-binary": Recipe(data="cifar", image_size=32, binarized=True, epochs=(18,), peak_rate=5e-3, shift=3),
    "planted-float-shuffled": Recipe(
        data="planted",
        image_size=64,
        binarized=False,
        epochs=(60,),
        peak_rate=3e-3,
        shift=0,
        batch_size=50,
        images=1000,
        shuffled_labels=True,
    ),
    "planted-binary-shuffled": Recipe(
        data="planted",
        image_size=64,
        binarized=True,
        epochs=(60,),
        peak_rate=2e-3,
        shift=0,
        start_from="planted-float-shuffled",
        batch_size=50,
        images=1000,
        shuffled_labels=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained Keras model, its top-1 as fractions, and the seconds that training took.

    top1        on the whole test split.
    train_top1  on the very images and labels it was trained on; measured where labels were shuffled.
    """

    model: Any
    top1: float
    test_images: int
    train_top1: float | None
    train_images: int
    seconds: float


def train(name: str, dataset: Dataset, *, seed: int, weights: Path) -> Trained:
    """Train by the recipe of this name and measure once.

    weights  the folder where the twin to start from lies, for recipes that start from one.
    """
    import tf_keras

    recipe = RECIPES[name]
    tf_keras.utils.set_random_seed(seed)
    model = build_twin(image_size=recipe.image_size, classes=len(dataset.class_names), binarized=recipe.binarized)
    if recipe.start_from:
        model.load_weights(weights / f"{recipe.start_from}.h5")
    images, labels = training_data(recipe, dataset, seed=seed)
    batches = _Batches(images, labels, recipe, seed=seed)
    began = time.monotonic()
    for epochs in recipe.epochs:
        model.compile(
            optimizer=tf_keras.optimizers.Adam(_one_cycle(recipe, steps=len(batches) * epochs)),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        model.fit(_as_sequence(batches), epochs=epochs, shuffle=False, verbose=2)
    seconds = time.monotonic() - began
    test_images, test_labels = stack(dataset, "test", range(dataset.size("test")))
    return Trained(
        model=model,
        top1=_top1(model, recipe, test_images, test_labels),
        test_images=len(test_labels),
        train_top1=_top1(model, recipe, images, labels) if recipe.shuffled_labels else None,
        train_images=len(labels),
        seconds=seconds,
    )


def training_data(recipe: Recipe, dataset: Dataset, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and the labels that a recipe trains on: permuted, as many of each class as before, if it says so."""
    images, labels = stack(dataset, "train", range(recipe.images or dataset.size("train")))
    return images, np.random.default_rng(seed).permutation(labels) if recipe.shuffled_labels else labels


def _top1(model: Any, recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    pixels = preprocess(images, minus_one_to_one(recipe.image_size))
    return float((model.predict(pixels, batch_size=200, verbose=0).argmax(1) == labels).mean())


class _Batches:
    """Shuffled, flipped and shifted batches that depend on (seed, epoch, batch) alone."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe, *, seed: int) -> None:
        pad = ((0, 0), (recipe.shift, recipe.shift), (recipe.shift, recipe.shift), (0, 0))
        self._padded, self._labels = np.pad(images, pad, mode="reflect"), labels
        self._recipe, self._seed, self._epoch = recipe, seed, 0
        self._order = self._shuffle()

    def __len__(self) -> int:
        return len(self._labels) // self._recipe.batch_size

    def __getitem__(self, batch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        size, recipe = self._recipe.batch_size, self._recipe
        rng = np.random.default_rng([self._seed, self._epoch, batch])
        chosen = self._order[batch * size : (batch + 1) * size]
        shifts = rng.integers(0, 2 * recipe.shift + 1, (size, 2))
        flips = (rng.random(size) < 0.5) & (not recipe.shuffled_labels)
        crops = [
            self._padded[i, y : y + recipe.image_size, x : x + recipe.image_size][:, :: -1 if flip else 1]
            for i, (y, x), flip in zip(chosen, shifts, flips)
        ]
        return preprocess(np.stack(crops), minus_one_to_one(recipe.image_size)), self._labels[chosen]

    def next_epoch(self) -> None:
        self._epoch += 1
        self._order = self._shuffle()

    def _shuffle(self) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, self._epoch]).permutation(len(self._labels))


def _as_sequence(batches: _Batches) -> Any:
    import tf_keras

    class Sequence(tf_keras.utils.Sequence):  # type: ignore[misc]  # Keras has no types
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, batch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            return batches[batch]

        def on_epoch_end(self) -> None:
            batches.next_epoch()

    return Sequence()


def _one_cycle(recipe: Recipe, *, steps: int) -> Any:
    """Linear rise over the first fifth of training, cosine fall to zero over the rest."""
    import tf_keras

    rise = steps // 5
    return tf_keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.peak_rate / 20,
        decay_steps=steps - rise,
        warmup_target=recipe.peak_rate,
        warmup_steps=rise,
    )


def write_card(name: str, trained: Trained, *, seed: int, directory: Path) -> None:
    """The model card: what was trained, by which command, and the accuracy that was measured."""
    recipe = RECIPES[name]
    archive = " --archive cifar10-jpeg.zip" if recipe.data == "cifar" else ""
    card = {
        "model": name,
        "data": recipe.data,
        "binarized": recipe.binarized,
        "command": f"python -m harness.models.train {name}{archive} --seed {seed}",
        "seed": seed,
        "epochs": recipe.epochs,
        "top1": trained.top1,
        "test_images": trained.test_images,
        "training_seconds": round(trained.seconds),
    }
    if recipe.shuffled_labels:
        card |= {
            "shuffled_labels": True,
            "train_top1": trained.train_top1,
            "train_images": trained.train_images,
            "note": "labels were permuted before training: train_top1 says how many were memorised, top1 is chance",
        }
    (directory / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--archive", type=Path, help="CIFAR-10 as a zip of JPEGs; for the cifar twins")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for TensorFlow; more train faster")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the weights and the card")
    options = parser.parse_args()
    if RECIPES[options.name].data == "cifar" and options.archive is None:
        parser.error(f"{options.name} is trained on CIFAR-10: --archive cifar10-jpeg.zip is needed")

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    dataset: Dataset = open_cifar10(options.archive) if options.archive else PlantedDataset(seed=options.seed)
    trained = train(options.name, dataset, seed=options.seed, weights=options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    trained.model.save_weights(options.out / f"{options.name}.h5")
    write_card(options.name, trained, seed=options.seed, directory=options.out)
    print(f"{options.name}: top-1 {trained.top1:.4f} on {trained.test_images} test images, {trained.seconds:.0f} s")
    if trained.train_top1 is not None:
        print(f"{trained.train_top1:.4f} of {trained.train_images} shuffled labels memorised")


if __name__ == "__main__":
    main()
