"""Trains the twins of the catalogue and writes their weights and model cards.

    python -m harness.models.train planted-binary
    python -m harness.models.train cifar-binary --archive cifar10-jpeg.zip
    python -m harness.models.train photo-binary --folder data/tiny-imagenet-20 --checkpoints checkpoints

Adam with a one-cycle learning rate (Smith & Topin 2018, arXiv:1708.07120); flips and shifts keyed by the seed. The card
states the accuracy on the whole test split, measured once, after training, with the weights as they are stored.

The recipes ablation-* train the ablation family on photographs, see harness/models/designs.py: give them an --out.

Two models are label-shuffled counterparts (Adebayo et al. 2018, arXiv:1810.03292): the same architecture, trained on
permuted labels until it has memorised them. What it learned has nothing to do with the classes, so a method whose maps
are the same for a model and its counterpart does not show what the model learned. For these models the accuracy on the
permuted labels of their training images is what counts; on the test split they are at chance.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.datasets.dataset import Dataset
from harness.datasets.dataset_kinds import open_dataset
from harness.errors import BitlensError, ConfigError
from harness.keras_packages import set_up
from harness.models.catalogue import minus_one_to_one
from harness.models.designs import DESIGNS
from harness.models.recipes import RECIPES, Recipe
from harness.models.training_batches import Batches, Floats
from harness.models.twins import build_design

WEIGHTS = Path(__file__).parent / "weights"
DATA = {"planted": "", "cifar": " --archive cifar10-jpeg.zip", "photo": " --folder data/tiny-imagenet-20"}  # as options
KINDS = {"planted": "planted", "cifar": "cifar10-archive", "photo": "image-folder"}


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
    class_names: tuple[str, ...]


def train(name: str, dataset: Dataset, *, seed: int, weights: Path, checkpoints: Path | None = None) -> Trained:
    """Train by the recipe of this name and measure once.

    weights      the folder where the twins to start from and to learn from lie, for recipes that have one.
    checkpoints  a folder to keep the state of every epoch in, from which a training that was stopped goes on to the
                 same weights; None keeps nothing.
    Raises       ConfigError for images of another size than the recipe's, and for checkpoints of another training.
    """
    import tf_keras

    recipe = RECIPES[name]
    folder = checkpoints / name / f"seed-{seed}" if checkpoints else None
    if folder:
        _check_same(folder, recipe, dataset)
    tf_keras.utils.set_random_seed(seed)
    classes = len(dataset.class_names)
    model = _untrained(recipe, classes)
    if recipe.start_from:
        model.load_weights(weights / f"{recipe.start_from}.h5")
    images, labels = training_data(recipe, dataset, seed=seed)
    teacher = _teacher(recipe, classes, weights) if recipe.teacher else None
    batches = Batches(images, labels, recipe, classes=classes, seed=seed, teacher=teacher)
    seconds, earlier = 0.0, 0
    for cycle, epochs in enumerate(recipe.epochs):
        model.compile(
            optimizer=tf_keras.optimizers.Adam(_one_cycle(recipe, steps=len(batches) * epochs)),
            loss="categorical_crossentropy",
            metrics=["accuracy"],
        )
        cycle_folder = folder / f"cycle-{cycle}" if folder else None
        seconds += _fit(model, batches, epochs=epochs, earlier=earlier, checkpoints=cycle_folder)
        earlier += epochs
    test_images, test_labels = _images(recipe, dataset, "test", dataset.size("test"))
    return Trained(
        model=model,
        top1=_top1(model, recipe, test_images, test_labels),
        test_images=len(test_labels),
        train_top1=_top1(model, recipe, images, labels) if recipe.shuffled_labels else None,
        train_images=len(labels),
        seconds=seconds,
        class_names=tuple(dataset.class_names),
    )


def _check_same(folder: Path, recipe: Recipe, dataset: Dataset) -> None:
    """Note in the folder what is trained there. Raises ConfigError where that was something else."""
    facts = json.dumps({"recipe": asdict(recipe), "images": dataset.fingerprint}, indent=2)
    note = folder / "training.json"
    if note.exists() and note.read_text() != facts:
        raise ConfigError(
            f'--checkpoints: "{folder}" has epochs of another recipe or of other images, see its {note.name}',
            hint="another folder, or none",
        )
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(facts)


def _fit(model: Any, batches: Batches, *, epochs: int, earlier: int, checkpoints: Path | None) -> float:
    """Train one cycle, or what is left of it, and return how many seconds it took in all.

    earlier  epochs of the cycles before: batches count through.
    """
    import tensorflow as tf

    model.optimizer.build(model.trainable_variables)  # its state is restored as well
    done, seconds = tf.Variable(0, dtype=tf.int64), tf.Variable(0.0, dtype=tf.float64)
    state = tf.train.Checkpoint(model=model, optimizer=model.optimizer, done=done, seconds=seconds)
    manager = tf.train.CheckpointManager(state, str(checkpoints), max_to_keep=2) if checkpoints else None
    if manager is not None and manager.latest_checkpoint:
        state.restore(manager.latest_checkpoint).assert_consumed()
    for epoch in range(int(done), epochs):
        began = time.monotonic()
        batches.start_epoch(earlier + epoch)
        model.fit(_as_sequence(batches), initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=2)
        done.assign_add(1)
        seconds.assign_add(time.monotonic() - began)
        if manager is not None:
            manager.save()
    return float(seconds)


def _untrained(recipe: Recipe, classes: int) -> Any:
    return build_design(DESIGNS[recipe.design], image_size=recipe.image_size, classes=classes, name=recipe.design)


def _teacher(recipe: Recipe, classes: int, weights: Path) -> Callable[[Floats], Floats]:
    """The probabilities of the trained twin that a recipe learns from."""
    import tensorflow as tf

    model = _untrained(RECIPES[str(recipe.teacher)], classes)
    model.load_weights(weights / f"{recipe.teacher}.h5")
    predict = tf.function(lambda pixels: model(pixels, training=False))
    return lambda pixels: np.asarray(predict(tf.constant(pixels)))


def training_data(recipe: Recipe, dataset: Dataset, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and the labels that a recipe trains on: permuted, as many of each class as before, if it says so."""
    images, labels = _images(recipe, dataset, "train", recipe.images or dataset.size("train"))
    return images, np.random.default_rng(seed).permutation(labels) if recipe.shuffled_labels else labels


def _images(recipe: Recipe, dataset: Dataset, split: str, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first images of a split, and their labels. Raises ConfigError for one of another size than the recipe's."""
    expected = (recipe.image_size, recipe.image_size, 3)
    samples = [dataset.sample(split, index) for index in range(count)]
    for sample in samples:
        if sample.image.shape != expected:
            raise ConfigError(
                f"{sample.key}: expected {recipe.image_size} x {recipe.image_size} colour pixels, "
                f"got an image of {' x '.join(map(str, sample.image.shape))}"
            )
    return np.stack([sample.image for sample in samples]), np.array([sample.label for sample in samples], np.int64)


def _top1(model: Any, recipe: Recipe, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    pixels = preprocess(images, minus_one_to_one(recipe.image_size))
    return float((model.predict(pixels, batch_size=200, verbose=0).argmax(1) == labels).mean())


def _as_sequence(batches: Batches) -> Any:
    import tf_keras

    class Sequence(tf_keras.utils.Sequence):  # type: ignore[misc]  # Keras has no types
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, batch: int) -> tuple[Floats, Floats]:
            return batches[batch]

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
    card = {
        "model": name,
        "data": recipe.data,
        "binarized": recipe.binarized,
        "design": recipe.design,
        "command": f"python -m harness.models.train {name}{DATA[recipe.data]} --seed {seed}",
        "seed": seed,
        "epochs": recipe.epochs,
        "top1": trained.top1,
        "test_images": trained.test_images,
        "training_seconds": round(trained.seconds),
        "class_names": trained.class_names,
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
    parser.add_argument(
        "--folder", type=Path, help="20 classes of Tiny-ImageNet as an image folder; for the photo twins"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for TensorFlow; more train faster")
    parser.add_argument("--checkpoints", type=Path, help="folder to keep every epoch in: a stopped training goes on")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the weights and the card")
    options = parser.parse_args()
    paths = {"planted": None, "cifar": options.archive, "photo": options.folder}
    data = RECIPES[options.name].data
    if DATA[data] and paths[data] is None:
        parser.error(f"{options.name} is trained on files:{DATA[data]} is needed")

    set_up()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    dataset = open_dataset(KINDS[data], path=paths[data] and str(paths[data]), seed=options.seed)
    trained = train(options.name, dataset, seed=options.seed, weights=options.out, checkpoints=options.checkpoints)
    options.out.mkdir(parents=True, exist_ok=True)
    trained.model.save_weights(options.out / f"{options.name}.h5")
    write_card(options.name, trained, seed=options.seed, directory=options.out)
    print(f"{options.name}: top-1 {trained.top1:.4f} on {trained.test_images} test images, {trained.seconds:.0f} s")
    if trained.train_top1 is not None:
        print(f"{trained.train_top1:.4f} of {trained.train_images} shuffled labels memorised")


if __name__ == "__main__":
    try:
        main()
    except BitlensError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
