"""Batches are keyed by seed, epoch and number, and change images by no more than their recipe allows."""

from __future__ import annotations

import numpy as np
import pytest

from harness.models.recipes import RECIPES, Recipe
from harness.models.training_batches import GREY, Batches, cut_out, jittered, random_crop

PHOTO = RECIPES["photo-float"]


def photos(count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 64, 64, 3)).astype(np.uint8), rng.integers(0, 20, count)


def test_a_batch_depends_on_seed_epoch_and_number_alone() -> None:
    first, again = (Batches(*photos(), PHOTO, classes=20, seed=0) for _ in range(2))
    other = Batches(*photos(), PHOTO, classes=20, seed=1)
    for batches in (first, again, other):
        batches.start_epoch(3)
    first[0]  # what was asked for before does not matter
    for one, same, different in zip(first[1], again[1], other[1]):
        np.testing.assert_array_equal(one, same)
        assert (one != different).any()


def test_smoothed_labels_are_probabilities_whose_greatest_is_the_label() -> None:
    batches = Batches(*photos(), PHOTO, classes=20, seed=0)
    shown = np.concatenate([batches[i][1] for i in range(len(batches))])
    np.testing.assert_allclose(shown.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(shown.max(1), 1 - 0.1 + 0.1 / 20, atol=1e-6)
    assert sorted(shown.argmax(1)) == sorted(photos()[1])


def test_a_teacher_has_the_share_of_the_labels_that_its_recipe_says() -> None:
    recipe = Recipe(data="photo", image_size=64, design="binary", epochs=(1,), peak_rate=1e-3, taught=0.7)
    taught = np.full((100, 20), 1 / 20, np.float32)
    batches = Batches(*photos(), recipe, classes=20, seed=0, teacher=lambda pixels: taught[: len(pixels)])
    np.testing.assert_allclose(np.sort(batches[0][1])[:, -2:], [[0.035, 0.335]] * 100, atol=1e-6)


@pytest.mark.parametrize("least_area", [0.3, 0.7])
def test_a_random_crop_keeps_at_least_the_area_that_it_has_to(least_area: float) -> None:
    """Of an image whose red is its column and whose green is its row, the crop's edges say what is left."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(64) * 4, (np.arange(64) * 4)[:, None]
    rng = np.random.default_rng(0)
    for _ in range(50):
        crop = random_crop(image, least_area, rng).astype(float)
        across = (crop[0, -1, 0] - crop[0, 0, 0]) / 4 / 63 * 64
        down = (crop[-1, 0, 1] - crop[0, 0, 1]) / 4 / 63 * 64
        assert crop.shape == (64, 64, 3)
        # a side cut off at the image's edge is at most the stretch of 15 % shorter; interpolation loses 2 pixels
        assert across * down / 64**2 > least_area * (3 / 4) ** 0.5 - 0.06


def test_jitter_of_nothing_changes_nothing_and_keeps_grey_grey() -> None:
    images, _ = photos(5)
    np.testing.assert_allclose(jittered(images, 0.0, np.random.default_rng(0)), images, atol=1)
    grey = np.repeat(images[..., :1], 3, axis=-1)
    changed = jittered(grey, 0.3, np.random.default_rng(0)).astype(int)
    assert np.ptp(changed, axis=-1).max() <= 1
    assert (changed != grey).any()


def test_a_square_of_the_stated_side_at_most_is_cut_out_of_every_image() -> None:
    images = np.zeros((50, 64, 64, 3), np.uint8)
    cut_out(images, 16, np.random.default_rng(0))
    greyed = (images == GREY).all(-1).sum((1, 2))
    assert greyed.min() >= 8 * 8  # centred on a corner
    assert greyed.max() == 16 * 16
