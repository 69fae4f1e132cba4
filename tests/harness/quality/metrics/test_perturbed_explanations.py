"""MuFidelity, ROAD, robustness and the grid pointing game: judges and methods whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.quality.evaluation import evaluate, evaluate_together
from harness.quality.inputs import MetricInputs, Pool
from harness.quality.judges import FloatJudge
from harness.quality.metrics.road import impute
from tests.harness.quality.known import ROW, SIZE, metric_inputs, random_maps


def linear(seed: int = 0) -> tuple[MetricInputs, np.ndarray]:
    """A white image whose probability is linear in its pixels, and its explanation, known exactly."""
    weights = np.random.default_rng(seed).normal(size=(SIZE, SIZE))
    judge = FloatJudge(lambda pixels: np.einsum("nhw,hw->n", pixels[..., 0] / 255, weights)[:, None])
    inputs = metric_inputs(
        images=np.full((1, SIZE, SIZE, 3), 255, np.uint8), judge=judge, dataset_mean=np.zeros(3, np.uint8)
    )
    return inputs, weights[None].astype(np.float32)


def test_mu_fidelity_of_a_linear_judge_is_one_for_its_weights_and_minus_one_for_their_inverse() -> None:
    inputs, weights = linear()
    inputs = replace(inputs, parameters={"cells": 4, "samples": 40, "baseline": "dataset_mean"})
    assert evaluate("mu_fidelity", weights, inputs).values[0] == pytest.approx(1)
    assert evaluate("mu_fidelity", -weights, inputs).values[0] == pytest.approx(-1)
    assert abs(evaluate("mu_fidelity", random_maps(seed=5), inputs).values[0]) < 0.6


def test_mu_fidelity_where_nothing_changes_the_probability_is_undefined() -> None:
    inputs = metric_inputs(judge=FloatJudge(lambda pixels: np.ones((len(pixels), 1), np.float32)))
    scores = evaluate("mu_fidelity", random_maps(), inputs)
    assert np.isnan(scores.values[0])
    assert scores.reasons == ("all subsets change the probability alike",)


def test_mu_fidelity_of_ten_seeds_scatters_around_one_value() -> None:
    """Other subsets, other value: the seed is used, and none of them is far off."""
    inputs, weights = linear()
    noisy = weights + 0.5 * random_maps(seed=8)
    inputs = replace(inputs, parameters={"cells": 4, "samples": 200, "baseline": "dataset_mean"})
    scores = [evaluate("mu_fidelity", noisy, replace(inputs, seed=seed)).values[0] for seed in range(5)]
    assert len(set(scores)) == 5
    assert np.ptp(scores) < 0.2


def test_road_is_positive_for_the_pixels_that_matter_negative_for_the_others() -> None:
    inputs = metric_inputs()
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, ROW] = 1
    assert evaluate("road", saliency_map, inputs).values[0] > 0.8
    assert evaluate("road", -saliency_map, inputs).values[0] < -0.8


def test_imputed_pixels_are_the_weighted_mean_of_their_neighbours() -> None:
    image = np.random.default_rng(0).integers(0, 255, (6, 7, 2)).astype(np.uint8)
    missing = np.zeros((6, 7), bool)
    missing[2, 3] = missing[0, 0] = True
    painted = impute(image, missing)
    around = image[1:4, 2:5].astype(float)
    direct = around[0, 1] + around[2, 1] + around[1, 0] + around[1, 2]
    diagonal = around[0, 0] + around[0, 2] + around[2, 0] + around[2, 2]
    np.testing.assert_allclose(painted[2, 3], direct / 6 + diagonal / 12, atol=0.51)
    corner = (image[0, 1].astype(float) / 6 + image[1, 0] / 6 + image[1, 1] / 12) / (5 / 12)
    np.testing.assert_allclose(painted[0, 0], corner, atol=0.51)
    np.testing.assert_array_equal(painted[~missing], image[~missing])


def test_imputation_of_a_hole_in_a_slope_restores_the_slope() -> None:
    image = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[:, None, None], 20, axis=1)
    missing = np.zeros((20, 20), bool)
    missing[5:15, 5:15] = True
    np.testing.assert_allclose(impute(image, missing).astype(float), image, atol=1)


def test_imputation_with_nothing_known_or_nothing_missing_leaves_the_image() -> None:
    image = np.full((4, 4, 1), 9, np.uint8)
    np.testing.assert_array_equal(impute(image, np.ones((4, 4), bool)), image)
    np.testing.assert_array_equal(impute(image, np.zeros((4, 4), bool)), image)


# -------------------------------------------------------------------------------------------------------- robustness
NAMES = ("max_sensitivity", "avg_sensitivity", "local_lipschitz")


def test_a_map_that_does_not_follow_the_image_is_perfectly_stable() -> None:
    maps = random_maps(2)
    inputs = metric_inputs(2, explain=lambda images, targets, keys: np.stack([maps[int(key[-1])] for key in keys]))
    for name in NAMES:
        np.testing.assert_array_equal(evaluate(name, maps, inputs).values, 0)


def test_sensitivities_of_a_map_that_is_the_image_are_distances_of_images() -> None:
    """map = grey value: one channel, so that distances of maps are distances of images times a constant."""
    seen = []

    def grey(images: np.ndarray, targets: np.ndarray, keys: tuple[str, ...]) -> np.ndarray:
        seen.append(images.copy())
        return images[..., 0].astype(np.float32)

    image = np.random.default_rng(0).integers(50, 200, (1, SIZE, SIZE, 1)).astype(np.uint8)
    inputs = metric_inputs(images=image, explain=grey)
    parameters = {"radius": 0.02, "samples": 6}
    scores = evaluate_together(dict.fromkeys(NAMES, parameters), image[..., 0].astype(np.float32), inputs)
    assert len(seen) == 1  # the three metrics share their copies
    copies = seen[0].astype(float)
    assert np.abs(copies - image).max() == 5  # 0.02 of 255, in whole levels
    moved = np.linalg.norm((copies - image).reshape(6, -1), axis=1)
    norm = np.linalg.norm(image.astype(float))
    assert scores["max_sensitivity"].values[0] == pytest.approx(moved.max() / norm)
    assert scores["avg_sensitivity"].values[0] == pytest.approx(moved.mean() / norm)
    assert scores["local_lipschitz"].values[0] == pytest.approx(255 / norm)


def test_a_copy_that_cannot_be_explained_makes_the_value_undefined() -> None:
    inputs = metric_inputs(explain=lambda images, targets, keys: np.full(images.shape[:3], np.nan, np.float32))
    for name in NAMES:
        scores = evaluate(name, random_maps(), inputs)
        assert np.isnan(scores.values[0])
        assert scores.reasons[0]


# ----------------------------------------------------------------------------------------------- grid pointing game
def coloured(count: int = 4) -> MetricInputs:
    """Image i is flat, of the level 40 * class, so that a mosaic tells what is in each of its quarters."""
    levels = np.arange(count)
    images = np.broadcast_to((40 * levels[:, None, None, None]).astype(np.uint8), (count, SIZE, SIZE, 1)).copy()
    keys = tuple(f"image {i}" for i in levels)
    return metric_inputs(
        count, images=images, targets=levels, keys=keys, pool=Pool(images=images, targets=levels, keys=keys)
    )


def own_quarter(images: np.ndarray, targets: np.ndarray, keys: tuple[str, ...]) -> np.ndarray:
    return (images[..., 0] == 40 * targets[:, None, None]).astype(np.float32)


def test_a_method_that_finds_its_class_wins_the_grid_pointing_game() -> None:
    inputs = replace(coloured(), explain=own_quarter)
    np.testing.assert_allclose(evaluate("grid_pointing_game", random_maps(4), inputs).values, 1)


def test_a_method_that_finds_the_others_loses_and_an_even_one_scores_chance() -> None:
    inputs = coloured()
    lost = replace(inputs, explain=lambda *question: 1 - own_quarter(*question))
    even = replace(inputs, explain=lambda images, targets, keys: np.ones(images.shape[:3], np.float32))
    np.testing.assert_allclose(evaluate("grid_pointing_game", random_maps(4), lost).values, 0)
    np.testing.assert_allclose(evaluate("grid_pointing_game", random_maps(4), even).values, 0.25)


def test_mosaics_hold_four_classes_each_once_and_own_places_vary() -> None:
    mosaics = []

    def watch(images: np.ndarray, targets: np.ndarray, keys: tuple[str, ...]) -> np.ndarray:
        mosaics.append(images)
        return own_quarter(images, targets, keys)

    evaluate("grid_pointing_game", random_maps(4), replace(coloured(), explain=watch))
    half = SIZE // 2
    corners = mosaics[0][:, ::half, ::half, 0].reshape(4, 4)
    np.testing.assert_array_equal(np.sort(corners, axis=1), np.tile([0, 40, 80, 120], (4, 1)))


def test_the_order_of_the_pool_does_not_matter_and_a_poor_pool_is_a_reason() -> None:
    inputs = coloured(6)
    maps = random_maps(6)
    pool = inputs.pool
    assert pool is not None
    explain = lambda images, targets, keys: images[..., 0].astype(np.float32) + 1  # noqa: E731
    turned = Pool(images=pool.images[::-1], targets=pool.targets[::-1], keys=pool.keys[::-1])
    first = evaluate("grid_pointing_game", maps, replace(inputs, explain=explain))
    second = evaluate("grid_pointing_game", maps, replace(inputs, explain=explain, pool=turned))
    np.testing.assert_array_equal(first.values, second.values)
    poor = Pool(images=pool.images[:3], targets=pool.targets[:3], keys=pool.keys[:3])
    scores = evaluate("grid_pointing_game", maps[:1], replace(inputs, explain=explain, pool=poor).take(np.array([0])))
    assert scores.reasons == ("the pool has no three other classes",)


def test_a_mosaic_nowhere_positive_and_a_broken_one_are_reasons_and_odd_sizes_work() -> None:
    inputs = coloured()
    for fill, words in ((-1.0, "nowhere positive"), (np.nan, "NaN")):
        explain = lambda images, targets, keys, fill=fill: np.full(images.shape[:3], fill, np.float32)  # noqa: E731
        scores = evaluate("grid_pointing_game", random_maps(4), replace(inputs, explain=explain))
        assert np.isnan(scores.values).all()
        assert all(words in reason for reason in scores.reasons)
    images = np.zeros((4, 9, 11, 1), np.uint8) + (40 * np.arange(4, dtype=np.uint8))[:, None, None, None]
    pool = Pool(images=images, targets=inputs.targets, keys=inputs.keys)
    odd = replace(inputs, images=images, pool=pool, masks=None, explain=own_quarter)
    np.testing.assert_allclose(evaluate("grid_pointing_game", np.ones((4, 9, 11), np.float32), odd).values, 1)


def test_cells_of_mu_fidelity_never_outnumber_pixels() -> None:
    inputs, weights = linear()
    judge = FloatJudge(lambda pixels: pixels[..., 0].mean((1, 2), dtype=np.float32)[:, None] * np.float32(0.1))
    small = replace(inputs, images=inputs.images[:, :4, :4], masks=None, judge=judge)
    small = replace(small, parameters={"cells": 9, "baseline": "dataset_mean"})
    scores = evaluate("mu_fidelity", weights[:, :4, :4], small)
    assert scores.reasons == ("all subsets change the probability alike",)  # each takes 3 of the 16 pixels
