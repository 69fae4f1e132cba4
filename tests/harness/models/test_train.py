"""Training data is what a recipe says: all of it, changed from epoch to epoch, or shuffled once and then left alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from device.preprocessing import preprocess
from harness.datasets.dataset import Sample, stack
from harness.datasets.planted import PlantedDataset
from harness.models.catalogue import CATALOGUE, catalogue_model, minus_one_to_one, model_card
from harness.models.loading import load_model
from harness.models.train import RECIPES, Trained, _Batches, training_data, write_card

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
    batches = _Batches(images, labels, recipe, seed=0)
    known = {image.tobytes(): label for image, label in zip(preprocess(images, minus_one_to_one(64)), labels)}
    for _ in range(2):
        shown = [pair for i in range(len(batches)) for pair in zip(*batches[i])]
        assert sorted(image.tobytes() for image, _ in shown) == sorted(known)
        assert all(known[image.tobytes()] == label for image, label in shown)
        batches.next_epoch()


def test_card_of_a_shuffled_model_tells_what_was_memorised(tmp_path: Path) -> None:
    trained = Trained(model=None, top1=0.1, test_images=5000, train_top1=0.99, train_images=1000, seconds=3.4)
    for name in (SHUFFLED[0], "planted-float"):
        write_card(name, trained, seed=0, directory=tmp_path)
    card, ordinary = (json.loads((tmp_path / f"{name}.json").read_text()) for name in (SHUFFLED[0], "planted-float"))
    assert (card["train_top1"], card["train_images"], card["top1"]) == (0.99, 1000, 0.1)
    assert "shuffled_labels" not in ordinary


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
