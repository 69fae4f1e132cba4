"""Insertion, deletion and their normalised forms against judges whose curves are known by hand, and against search."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.quality.controls import control_maps
from harness.quality.evaluation import evaluate
from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge
from harness.quality.metrics.aopc_search import aopc_bounds
from harness.quality.metrics.grid_cells import cell_means, cell_numbers
from harness.quality.metrics.naopc import aopc
from harness.quality.metrics.perturbation import pixel_ranks, pixels_gone
from harness.randomness import generator
from tests.harness.quality.known import ROW, SIZE, metric_inputs, oracle_map, random_maps


def value(name: str, saliency_map: np.ndarray, inputs: MetricInputs | None = None, **parameters: Any) -> float:
    return float(evaluate(name, saliency_map, replace(inputs or metric_inputs(), parameters=parameters)).values[0])


def test_deletion_of_the_oracle_map_loses_all_evidence_in_the_first_step() -> None:
    # the row is one of 16 equal portions: the curve is 1, 0, 0, …, and its first trapezium is all that is left
    assert value("deletion_auc", oracle_map()) == pytest.approx(0.5 / 16)


def test_insertion_of_the_oracle_map_gains_all_evidence_in_the_first_step() -> None:
    assert value("insertion_auc", oracle_map()) == pytest.approx(1 - 0.5 / 16)


def test_inverted_oracle_map_scores_worst() -> None:
    assert value("deletion_auc", -oracle_map()) == pytest.approx(1 - 0.5 / 16)
    assert value("insertion_auc", -oracle_map()) == pytest.approx(0.5 / 16)


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_no_map_beats_the_oracle(seed: int) -> None:
    saliency_map = random_maps(seed=seed)
    assert value("deletion_auc", saliency_map) >= value("deletion_auc", oracle_map()) - 1e-12
    assert value("insertion_auc", saliency_map) <= value("insertion_auc", oracle_map()) + 1e-12


@settings(max_examples=20)
@given(st.integers(1, 400), st.integers(1, 300))
def test_curves_go_from_nothing_to_everything_in_equal_portions(pixels: int, steps: int) -> None:
    gone = pixels_gone(pixels, steps)
    assert (gone[0], gone[-1], len(gone)) == (0, pixels, steps + 1)
    assert np.ptp(np.diff(gone)) <= 1


def test_ranks_follow_the_map_and_ties_follow_neither_reading_order_nor_the_batch() -> None:
    maps = np.zeros((3, SIZE, SIZE), np.float32)
    maps[:, ROW] = 1
    inputs = metric_inputs(3)
    ranks = pixel_ranks(maps, inputs)
    assert (ranks[:, ROW] < SIZE).all()
    assert (np.sort(ranks.reshape(3, -1), axis=1) == np.arange(SIZE * SIZE)).all()
    assert (ranks[0] != ranks[1]).any()
    assert abs(np.corrcoef(ranks[0][maps[0] == 0], np.arange(SIZE * (SIZE - 1)))[0, 1]) < 0.2
    np.testing.assert_array_equal(pixel_ranks(maps[1:2], inputs.take(np.array([1])))[0], ranks[1])


@pytest.mark.parametrize("different", [2, 200, 10**9])
def test_ties_are_broken_by_the_seed_alone_whatever_sorts_them(different: int) -> None:
    inputs = metric_inputs(1)
    maps = np.random.default_rng(0).integers(0, different, (1, 64, 64)).astype(np.float32)
    shuffled = generator(inputs.seed, inputs.keys[0], 0, purpose="ties").permutation(64 * 64)
    order = shuffled[np.argsort(-maps.ravel()[shuffled], kind="stable")]
    assert np.array_equal(pixel_ranks(maps, inputs).ravel()[order], np.arange(64 * 64))


def test_baselines_replace_pixels_as_they_are_called() -> None:
    seen: list[np.ndarray] = []

    def remember(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels.copy())
        return np.zeros((len(pixels), 1), np.float32)

    inputs = metric_inputs(judge=FloatJudge(remember), dataset_mean=np.array([10, 20, 30], np.uint8))
    ends = {}
    for baseline in ("image_mean", "dataset_mean", "blur"):
        value("deletion_auc", oracle_map(), inputs, steps=1, baseline=baseline)
        ends[baseline] = seen[-1][0]
    assert (ends["image_mean"] == round((40 * 15 + 240) / 16)).all()
    assert (ends["dataset_mean"] == [10, 20, 30]).all()
    assert 40 < ends["blur"][ROW].mean() < 240
    assert ends["blur"][ROW].mean() > ends["blur"][-1].mean()


def test_judge_meets_each_end_of_the_curves_once_however_many_maps_it_judges() -> None:
    met: list[int] = []

    def count(pixels: np.ndarray) -> np.ndarray:
        met.append(len(pixels))
        return np.zeros((len(pixels), 1), np.float32)

    inputs = metric_inputs(judge=FloatJudge(count))
    for seed in range(3):
        for name in ("deletion_auc", "insertion_auc"):
            value(name, random_maps(seed=seed), inputs, steps=4, baseline="image_mean")
    assert sum(met) == 2 + 3 * 2 * 3  # the image and its mean colour once, and 3 points between for each curve


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_curves_hold_no_more_images_than_a_batch(batch: int) -> None:
    largest = []

    def watch(pixels: np.ndarray) -> np.ndarray:
        largest.append(len(pixels))
        return pixels[:, ROW, :1, 0].astype(np.float32)

    inputs = metric_inputs(5, judge=FloatJudge(watch, batch=batch))
    scores = evaluate("insertion_auc", random_maps(5), inputs)
    assert max(largest) <= batch
    expected = evaluate("insertion_auc", random_maps(5), metric_inputs(5, judge=FloatJudge(watch)))
    np.testing.assert_array_equal(scores.values, expected.values)


@pytest.mark.parametrize("name", ["deletion_auc", "insertion_auc"])
def test_who_asks_for_images_one_by_one_meets_the_same_ones(name: str) -> None:
    """Also two threads that take turns, from both ends."""
    lengths = []

    def one_by_one(images: Any) -> np.ndarray:
        lengths.append(len(images))
        turns = deque(range(len(images)))
        brightness = np.zeros((len(images), 1), np.float32)

        def fill(take: Callable[[], int]) -> None:
            with contextlib.suppress(IndexError):
                while True:
                    i = take()
                    brightness[i] = images[i : i + 1][0, ROW, :1, 0]

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fill, [turns.pop, turns.popleft]))
        return brightness

    def whole(pixels: np.ndarray) -> np.ndarray:
        return pixels[:, ROW, :1, 0].astype(np.float32)

    scores = evaluate(name, random_maps(5), metric_inputs(5, judge=FloatJudge(one_by_one, batch=None)))
    expected = evaluate(name, random_maps(5), metric_inputs(5, judge=FloatJudge(whole)))
    np.testing.assert_array_equal(scores.values, expected.values)
    assert max(lengths) % 5 == 0, "all that lies between the ends of five curves, at once"


# ---------------------------------------------------------------------------------------------- normalised by bounds
def weighted_cells(size: int = 4, seed: int = 0, confidence: float = 1) -> tuple[MetricInputs, np.ndarray]:
    """One 4 x 4 image whose probability is a sum over its 2 x 2 cells of weights of those that are still white."""
    weights = np.random.default_rng(seed).normal(size=4)
    numbers = cell_numbers((size, size), 2)

    def predict(pixels: np.ndarray) -> np.ndarray:
        white = np.stack([(pixels[:, numbers == cell, 0] == 255).all(axis=1) for cell in range(4)], axis=1)
        return np.asarray(confidence * (white @ weights), np.float32)[:, None]

    inputs = MetricInputs(
        images=np.full((1, size, size, 1), 255, np.uint8),
        targets=np.zeros(1, np.int64),
        keys=("one",),
        judge=FloatJudge(predict),
        dataset_mean=np.zeros(1, np.uint8),
        parameters={"cells": 2, "beam": 1, "baseline": "dataset_mean"},
    )
    return inputs, weights[numbers][None].astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_the_perfect_map_scores_one_on_normalised_metrics_and_its_inverse_zero(seed: int) -> None:
    inputs, perfect = weighted_cells(seed=seed)
    inputs = replace(inputs, aopc_bounds=aopc_bounds(inputs))
    for name in ("deletion_naopc", "insertion_naopc"):
        assert evaluate(name, perfect, inputs).values[0] == pytest.approx(1, abs=1e-6)
        assert evaluate(name, -perfect, inputs).values[0] == pytest.approx(0, abs=1e-6)


def interacting(beam: int) -> MetricInputs:
    """Cells that matter in pairs, where the greedy search may err; 2 x 2 cells."""
    table = np.random.default_rng(4).random(16)
    numbers = cell_numbers((4, 4), 2)

    def predict(pixels: np.ndarray) -> np.ndarray:
        bits = sum((pixels[:, numbers == cell, 0] == 255).all(axis=1) << cell for cell in range(4))
        return np.asarray(table[bits], np.float32)[:, None]

    inputs, _ = weighted_cells()
    return replace(inputs, judge=FloatJudge(predict), parameters={**inputs.parameters, "beam": beam})


def test_a_wide_beam_finds_the_bounds_of_all_orders_and_a_narrow_one_lies_within() -> None:
    inputs = interacting(beam=24)
    numbers = cell_numbers((4, 4), 2)
    orders = [np.array(order, np.float32)[numbers][None] for order in itertools.permutations(range(4))]
    every = [aopc(saliency_map, inputs)[0] for saliency_map in orders]
    np.testing.assert_allclose(aopc_bounds(inputs)[0], [min(every), max(every)], atol=1e-6)
    low, high = aopc_bounds(interacting(beam=1))[0]
    assert min(every) - 1e-6 <= low <= high <= max(every) + 1e-6


def test_bounds_of_several_images_are_those_of_each_alone() -> None:
    inputs, _ = weighted_cells()
    images = np.repeat(inputs.images, 3, axis=0)
    images[1, :2, :2], images[2] = 0, 7
    several = replace(inputs, images=images, targets=np.zeros(3, np.int64), keys=("a", "b", "c"))
    together = aopc_bounds(several)
    for i in range(3):
        np.testing.assert_array_equal(aopc_bounds(several.take(np.array([i])))[0], together[i])


def test_an_image_whose_probability_nothing_changes_has_no_normalised_value() -> None:
    inputs, perfect = weighted_cells()
    inputs = replace(inputs, aopc_bounds=np.zeros((1, 2)))
    scores = evaluate("deletion_naopc", perfect, inputs)
    assert np.isnan(scores.values[0])
    assert scores.reasons == ("no order of cells changes the probability",)


def test_normalised_metrics_compare_a_confident_and_a_doubtful_model() -> None:
    """Half the probability everywhere halves deletion's range and leaves the normalised score as it is."""
    inputs, perfect = weighted_cells(seed=1)
    doubtful, _ = weighted_cells(seed=1, confidence=0.5)
    saliency_map = perfect + np.random.default_rng(5).normal(size=perfect.shape).astype(np.float32)
    scores = [
        evaluate("deletion_naopc", saliency_map, replace(each, aopc_bounds=aopc_bounds(each))).values[0]
        for each in (inputs, doubtful)
    ]
    assert scores[0] == pytest.approx(scores[1])


@settings(max_examples=20)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 2))
def test_cells_cover_an_image_about_equally(height: int, width: int, cells: int) -> None:
    numbers = cell_numbers((height, width), cells)
    sizes = np.bincount(numbers.ravel(), minlength=cells**2)
    assert len(sizes) == cells**2
    assert sizes.min() > 0
    np.testing.assert_allclose(cell_means(numbers[None].astype(np.float32), cells)[0], np.arange(cells**2))


def test_a_centre_bump_scores_between_the_mask_and_a_random_map_where_objects_are_central() -> None:
    masks = np.zeros((1, SIZE, SIZE), bool)
    masks[:, 5:11, 5:11] = True
    inputs = metric_inputs(masks=masks)
    scores = [
        evaluate("mass_in_object", control_maps(name, inputs), inputs).values[0]
        for name in ("perfect", "centre", "random")
    ]
    assert scores[0] == 1.0
    assert scores[0] > scores[1] > scores[2]
