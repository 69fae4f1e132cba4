"""Metrics against maps and judges whose right value is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.quality import METRICS, Evidence
from harness.quality.localisation import mass_in_object
from harness.quality.perturbation import deletion_auc, insertion_auc
from harness.quality.sparseness import sparseness
from harness.tables import resolve

SIZE = 16


def evidence(*, steps: int = 16, masked: bool = True, count: int = 1) -> Evidence:
    """Grey images with one white row, and a judge that scores the share of the row that is still white."""
    images = np.full((count, SIZE, SIZE, 3), 40, np.uint8)
    images[:, 5] = 240
    masks = np.zeros((count, SIZE, SIZE), bool)
    masks[:, 5] = True

    def share_of_the_row_that_is_white(pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        assert len(pixels) == len(classes)
        return (pixels[:, 5, :, 0] == 240).mean(axis=1)

    return Evidence(
        images=images,
        targets=np.zeros(count, np.int64),
        masks=masks if masked else None,
        score=share_of_the_row_that_is_white,
        steps=steps,
    )


def oracle_map() -> np.ndarray:
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, 5] = np.linspace(1, 2, SIZE)
    return saliency_map


def test_deletion_of_the_oracle_map_loses_all_evidence_in_the_first_step() -> None:
    # the row is one of 16 equal portions: the curve is 1, 0, 0, …, and its first trapezium is all that is left
    assert deletion_auc(oracle_map(), evidence())[0] == pytest.approx(0.5 / 16)


def test_insertion_of_the_oracle_map_gains_all_evidence_in_the_first_step() -> None:
    assert insertion_auc(oracle_map(), evidence())[0] == pytest.approx(1 - 0.5 / 16)


def test_inverted_oracle_map_scores_worst() -> None:
    assert deletion_auc(-oracle_map(), evidence())[0] == pytest.approx(1 - 0.5 / 16)
    assert insertion_auc(-oracle_map(), evidence())[0] == pytest.approx(0.5 / 16)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_no_map_deletes_better_than_the_oracle(seed: int) -> None:
    saliency_map = np.random.default_rng(seed).normal(size=(1, SIZE, SIZE)).astype(np.float32)
    assert deletion_auc(saliency_map, evidence())[0] >= deletion_auc(oracle_map(), evidence())[0] - 1e-12
    assert insertion_auc(saliency_map, evidence())[0] <= insertion_auc(oracle_map(), evidence())[0] + 1e-12


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 100))
def test_curves_start_and_end_at_the_whole_and_the_empty_image_whatever_the_steps(steps: int) -> None:
    seen: list[np.ndarray] = []

    def remember(pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        seen.append(pixels)
        return np.zeros(len(pixels))

    given_evidence = evidence(steps=steps)
    watched = Evidence(
        images=given_evidence.images, targets=given_evidence.targets, masks=None, score=remember, steps=steps
    )
    deletion_auc(oracle_map(), watched)
    np.testing.assert_array_equal(seen[0][0], given_evidence.images[0])
    assert len(np.unique(seen[0][-1].reshape(-1, 3), axis=0)) == 1


def test_curves_of_several_images_are_those_of_each_alone() -> None:
    maps = np.random.default_rng(0).normal(size=(6, SIZE, SIZE)).astype(np.float32)
    together = deletion_auc(maps, evidence(count=6))
    alone = [deletion_auc(maps[i : i + 1], evidence())[0] for i in range(6)]
    np.testing.assert_array_equal(together, alone)


def test_sparseness_is_zero_for_equal_pixels_and_nearly_one_for_a_single_pixel() -> None:
    maps = np.zeros((2, 10, 10), np.float32)
    maps[0] = -3.0
    maps[1, 4, 4] = 7.0
    np.testing.assert_allclose(sparseness(maps, evidence()), [0.0, 0.99], atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (1, 6, 6), elements=st.floats(0.0625, 1, width=32)), st.floats(0.125, 8))
def test_sparseness_ignores_scale_and_order_of_pixels(maps: np.ndarray, factor: float) -> None:
    shuffled = np.random.default_rng(0).permutation(maps.reshape(1, -1), axis=1).reshape(maps.shape)
    changed = (shuffled * factor).astype(np.float32)
    np.testing.assert_allclose(sparseness(changed, evidence()), sparseness(maps, evidence()), atol=1e-6)


def test_mass_in_object_is_the_share_of_magnitude_inside_the_mask() -> None:
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, 5, 0], saliency_map[0, 6, 0] = -3.0, 1.0
    assert mass_in_object(saliency_map, evidence())[0] == pytest.approx(0.75)


def test_mass_in_object_of_an_even_map_is_the_size_of_the_object() -> None:
    assert mass_in_object(np.ones((1, SIZE, SIZE), np.float32), evidence())[0] == pytest.approx(1 / SIZE)


def test_mass_in_object_without_a_mask_is_undefined() -> None:
    assert np.isnan(mass_in_object(oracle_map(), evidence(masked=False))[0])


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_the_table_leaves_a_blank_map_undefined(name: str) -> None:
    maps = np.concatenate([np.zeros((1, SIZE, SIZE), np.float32), oracle_map()])
    values = resolve(METRICS[name].load)(maps, evidence(count=2))
    assert values.shape == (2,)
    assert np.isnan(values[0])
    assert np.isfinite(values[1])


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_the_table_ranks_the_oracle_above_a_random_map(name: str) -> None:
    random_map = np.random.default_rng(0).random((1, SIZE, SIZE), np.float32)
    metric = resolve(METRICS[name].load)
    sign = 1 if METRICS[name].better == "higher" else -1
    assert sign * metric(oracle_map(), evidence())[0] > sign * metric(random_map, evidence())[0]
