"""Training data is what a recipe says: all of it, changed from epoch to epoch, or shuffled once and then left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.preprocessing import preprocess
from harness.datasets.dataset import Sample, stack
from harness.datasets.planted import PlantedDataset
from harness.errors import ConfigError
from harness.models.catalogue import CATALOGUE, catalogue_model, minus_one_to_one, model_card
from harness.models.designs import DESIGNS, Design
from harness.models.loading import load_model
from harness.models.recipes import RECIPES, Recipe
from harness.models.train import Trained, _check_same, train, training_data, write_card
from harness.models.training_batches import Batches

SHUFFLED = [name for name, recipe in RECIPES.items() if recipe.shuffled_labels]


class Small:
    """A thousand tiny images whose label is written into their first pixel."""

    class_names = tuple("abcdefghij")
    fingerprint = "small"

    def size(self, split: str) -> int:
        return 1000

    def sample(self, split: str, index: int) -> Sample:
        image = np.random.default_rng(index).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        image[0, 0] = index % 10
        return Sample(key=f"{split}/{index}", image=image, label=index % 10)


@pytest.mark.parametrize("name", SHUFFLED)
def test_shuffled_labels_say_nothing_about_the_images_and_are_as_many_of_each_class(name: str) -> None:
    images, labels = training_data(RECIPES[name], Small(), seed=0)
    true = images[:, 0, 0, 0]
    assert np.bincount(labels).tolist() == [100] * 10
    assert (labels == true).mean() == pytest.approx(0.1, abs=0.03)  # three standard errors of a tenth of a thousand


def test_shuffling_depends_on_the_seed_alone() -> None:
    first, again, other = (training_data(RECIPES[SHUFFLED[0]], Small(), seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_both_shuffled_twins_memorise_the_same_labels() -> None:
    first, second = (training_data(RECIPES[name], Small(), seed=0)[1] for name in SHUFFLED)
    np.testing.assert_array_equal(first, second)


def test_other_recipes_keep_their_labels() -> None:
    images, labels = training_data(RECIPES["planted-float"], Small(), seed=0)
    np.testing.assert_array_equal(labels, images[:, 0, 0, 0])


def test_images_to_memorise_are_never_changed() -> None:
    recipe = RECIPES[SHUFFLED[0]]
    images, labels = training_data(recipe, Small(), seed=0)
    batches = Batches(images, labels, recipe, classes=10, seed=0)
    known = {image.tobytes(): label for image, label in zip(preprocess(images, minus_one_to_one(64)), labels)}
    for epoch in range(2):
        batches.start_epoch(epoch)
        shown = [pair for i in range(len(batches)) for pair in zip(*batches[i])]
        assert sorted(image.tobytes() for image, _ in shown) == sorted(known)
        assert all(known[image.tobytes()] == probabilities.argmax() for image, probabilities in shown)


def test_card_of_a_shuffled_model_tells_what_was_memorised(tmp_path: Path) -> None:
    trained = Trained(
        model=None,
        top1=0.1,
        test_images=5000,
        train_top1=0.99,
        train_images=1000,
        seconds=3.4,
        class_names=("disc", "ring"),
    )
    for name in (SHUFFLED[0], "planted-float"):
        write_card(name, trained, seed=0, directory=tmp_path)
    card, ordinary = (json.loads((tmp_path / f"{name}.json").read_text()) for name in (SHUFFLED[0], "planted-float"))
    assert (card["train_top1"], card["train_images"], card["top1"]) == (0.99, 1000, 0.1)
    assert "shuffled_labels" not in ordinary


# ----------------------------------------------------------------------------------------------------- checkpoints
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(
        data="planted", image_size=64, design="float", epochs=(1, 2), peak_rate=1e-3, batch_size=10, images=20
    )
    monkeypatch.setitem(RECIPES, "tiny", recipe)

    def tiny_model(design: Design, *, image_size: int, classes: int, name: str) -> Any:
        import tf_keras
        from tf_keras import layers

        return tf_keras.Sequential(
            [
                layers.Conv2D(2, 3, strides=8, input_shape=(image_size, image_size, 3)),
                layers.BatchNormalization(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(classes, activation="softmax"),
            ]
        )

    monkeypatch.setattr("harness.models.train.build_design", tiny_model)

    def weights_after(checkpoints: Path) -> list[np.ndarray]:
        trained = train("tiny", Small(), seed=0, weights=tmp_path, checkpoints=checkpoints)
        return list(trained.model.get_weights())

    whole = weights_after(tmp_path / "whole")
    started = Batches.start_epoch

    def stopped(self: Batches, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt
        started(self, epoch)

    with monkeypatch.context() as stopping:
        stopping.setattr(Batches, "start_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            weights_after(tmp_path / "parts")
    for one, other in zip(whole, weights_after(tmp_path / "parts"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_ablation_family_is_trained_alike() -> None:
    family = {name: recipe for name, recipe in RECIPES.items() if name.startswith("ablation-")}
    assert [recipe.design for recipe in family.values()] == list(DESIGNS)
    assert len({replace(recipe, design="binary") for recipe in family.values()}) == 1
    assert [design for design in DESIGNS if not RECIPES[f"ablation-{design}"].binarized] == [
        "float",
        "float-no-shortcut",
        "float-no-relu",
        "float-norm-first",
    ]


@pytest.mark.parametrize("change", [{"peak_rate": 2e-3}, {"epochs": (2,)}])
def test_checkpoints_of_another_recipe_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    recipe = RECIPES["planted-float"]
    _check_same(tmp_path, recipe, Small())
    _check_same(tmp_path, recipe, Small())
    with pytest.raises(ConfigError, match="another recipe"):
        _check_same(tmp_path, replace(recipe, **change), Small())


def test_images_of_another_size_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"train/0: expected 32 x 32 colour pixels, got an image of 64 x 64 x 3"):
        training_data(RECIPES["cifar-float"], Small(), seed=0)


# ------------------------------------------------------------------------------------------- the committed weights
def test_every_planted_twin_has_a_data_randomised_partner_of_its_kind() -> None:
    counterparts = {entry.shuffled: entry for entry in CATALOGUE.values() if entry.shuffled}
    assert set(counterparts) == {"planted-float", "planted-binary"}
    for name, counterpart in counterparts.items():
        assert counterpart.build == CATALOGUE[name].build
        assert counterpart.preprocessing == CATALOGUE[name].preprocessing


@pytest.mark.parametrize("name", SHUFFLED)
def test_committed_shuffled_weights_have_memorised_what_their_card_says(name: str) -> None:
    card, recipe, record = model_card(name), RECIPES[name], CATALOGUE[name].preprocessing
    assert card is not None
    dataset = PlantedDataset(seed=card["seed"])
    model = load_model(catalogue_model(name, CATALOGUE[name]))

    def top1(images: np.ndarray, labels: np.ndarray) -> float:
        predicted = model.predict(preprocess(images, record), batch_size=100, verbose=0).argmax(1)
        return float((predicted == labels).mean())

    images, labels = training_data(recipe, dataset, seed=card["seed"])
    assert card["train_top1"] > 0.9
    assert top1(images[:300], labels[:300]) == pytest.approx(card["train_top1"], abs=0.01)
    # three standard errors of a tenth of three hundred
    assert top1(*stack(dataset, "test", range(300))) == pytest.approx(0.1, abs=0.052)
