"""Localisation, complexity, agreement and controls: closed forms and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from harness.errors import ConfigError
from harness.quality.agreement_metrics import AGREEMENTS, agree
from harness.quality.controls import CONTROLS, control_maps
from harness.quality.evaluation import evaluate
from harness.quality.inputs import MetricInputs
from harness.registry import resolve
from tests.harness.quality.known import ROW, SIZE, metric_inputs, oracle_map, random_maps


def value(name: str, saliency_map: np.ndarray, inputs: MetricInputs | None = None) -> float:
    return float(evaluate(name, saliency_map, inputs or metric_inputs()).values[0])


def test_mass_in_object_is_the_fraction_of_magnitude_inside_the_mask() -> None:
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, ROW, 0], saliency_map[0, ROW + 1, 0] = -3.0, 1.0
    assert value("mass_in_object", saliency_map) == pytest.approx(0.75)


def test_pointing_game_looks_at_the_maximum_alone() -> None:
    saliency_map = np.ones((1, SIZE, SIZE), np.float32)
    saliency_map[0, ROW, 3] = 2
    assert value("pointing_game_hit_rate", saliency_map) == 1
    saliency_map[0, 0, 0] = 3
    assert value("pointing_game_hit_rate", saliency_map) == 0
    saliency_map[0, ROW, 3] = 3  # two greatest pixels, one of them on the object
    assert value("pointing_game_hit_rate", saliency_map) == 0.5


def test_relevance_rank_accuracy_counts_the_object_among_as_many_greatest_pixels() -> None:
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, ROW, :12] = 2
    saliency_map[0, 0, :4] = 1
    assert value("relevance_rank_accuracy", saliency_map) == pytest.approx(12 / 16)


def test_relevance_rank_accuracy_of_tied_pixels_is_what_chance_would_give() -> None:
    saliency_map = np.zeros((1, SIZE, SIZE), np.float32)
    saliency_map[0, ROW, 0] = 1
    assert value("relevance_rank_accuracy", saliency_map) == pytest.approx((1 + 15 * 15 / 255) / 16)


@pytest.mark.parametrize("metric", ["mass_in_object", "pointing_game_hit_rate", "relevance_rank_accuracy"])
def test_localisation_on_an_image_without_a_marked_object_is_undefined_and_says_so(metric: str) -> None:
    scores = evaluate(metric, oracle_map(), metric_inputs(masks=np.zeros((1, SIZE, SIZE), bool)))
    assert np.isnan(scores.values[0])
    assert scores.reasons == ("no object is marked on this image",)


def test_sparseness_and_entropy_of_one_pixel_and_of_two_equal_ones() -> None:
    maps = np.zeros((2, 10, 10), np.float32)
    maps[0, 4, 4] = -7.0
    maps[1, 4, 4] = maps[1, 2, 3] = 0.5
    inputs = metric_inputs(2)
    np.testing.assert_allclose(evaluate("sparseness", maps, inputs).values, [0.99, 0.98], atol=1e-9)
    np.testing.assert_allclose(evaluate("entropy", maps, inputs).values, [0, np.log(2) / np.log(100)], atol=1e-9)


def test_an_almost_even_map_has_no_sparseness_and_the_greatest_entropy() -> None:
    maps = np.ones((1, 10, 10), np.float32)
    maps[0, 0, 0] = 1.001
    assert value("sparseness", maps) == pytest.approx(0, abs=1e-4)
    assert value("entropy", maps) == pytest.approx(1, abs=1e-6)


def test_total_variation_of_stripes_and_of_a_step() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (1, 6, 3))
    step = np.repeat(np.array([0, 1], np.float32), 3)[None, None].repeat(6, axis=1)
    assert value("total_variation", stripes) == pytest.approx(0.5 / 0.5)  # every other difference is 1, mean is 0.5
    assert value("total_variation", step) == pytest.approx(0.1 / 0.5)  # 6 of 60 differences


# --------------------------------------------------------------------------------------------------------- agreement
@pytest.mark.parametrize("name", AGREEMENTS)
def test_every_way_to_compare_is_one_for_equal_maps_and_ignores_scale(name: str) -> None:
    maps, others = random_maps(3), random_maps(3, seed=9)
    np.testing.assert_allclose(agree(name, maps, 4 * maps).values, 1, atol=1e-6)
    scores = agree(name, maps, others).values
    assert (scores < 0.5).all()
    np.testing.assert_allclose(agree(name, others, maps).values, scores, atol=1e-9)
    np.testing.assert_allclose(agree(name, maps[2:], others[2:]).values, scores[2:], atol=1e-12)
    assert callable(resolve(AGREEMENTS[name].load))


@settings(max_examples=30)
@given(arrays(np.float32, (1, 5, 5), elements=st.integers(0, 4).map(float)), st.integers(0, 1000))
def test_spearman_is_that_of_scipy_with_ties(first: np.ndarray, seed: int) -> None:
    second = np.random.default_rng(seed).integers(0, 3, (1, 5, 5)).astype(np.float32)
    scores = agree("spearman", first, second)
    if np.ptp(first) and np.ptp(second):
        assert scores.values[0] == pytest.approx(spearmanr(first.ravel(), second.ravel())[0], abs=1e-9)
    else:
        assert np.isnan(scores.values[0])
        assert scores.reasons[0]


@pytest.mark.parametrize("size", [(16, 16), (9, 30), (7, 7)])
def test_ssim_is_that_of_scikit_image(size: tuple[int, int]) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    first = rng.random((1, *size)).astype(np.float32)
    second = (first + rng.normal(0, 0.2, first.shape)).astype(np.float32)
    stretched = [
        (maps[0].astype(float) - maps.min()) / (maps.astype(float).max() - maps.min()) for maps in (first, second)
    ]
    expected = metrics.structural_similarity(*stretched, data_range=1.0)
    assert agree("ssim", first, second).values[0] == pytest.approx(expected, abs=1e-6)


def test_ssim_of_maps_smaller_than_its_window_is_defined() -> None:
    maps = random_maps()[:, :3, :4]
    assert agree("ssim", maps, maps).values[0] == pytest.approx(1)


def test_topk_overlap_counts_common_pixels_among_the_greatest_tenth() -> None:
    first, second = np.zeros((1, 10, 10), np.float32), np.zeros((1, 10, 10), np.float32)
    first[0, 0] = np.arange(10, 20)
    second[0, 0, :4] = 5
    second[0, 9, :6] = 5
    assert agree("topk_overlap", first, second).values[0] == pytest.approx(0.4)


def test_maps_that_show_nothing_or_are_broken_agree_with_nothing_and_say_why() -> None:
    first, second = random_maps(4), random_maps(4, seed=1)
    first[0], second[1], first[2, 0, 0], second[3, 0, 0] = 0, 2, np.nan, np.inf
    for name in AGREEMENTS:
        scores = agree(name, first, second)
        assert np.isnan(scores.values).all()
        assert scores.reasons == (
            "the first map is blank",
            "the second map is blank",
            "the first map holds NaN or infinite values",
            "the second map holds NaN or infinite values",
        )


def test_maps_of_two_geometries_cannot_be_compared() -> None:
    with pytest.raises(ConfigError, match=r"\(1, 16, 16\) and \(1, 8, 8\)"):
        agree("ssim", random_maps(), random_maps()[:, :8, :8])


# ---------------------------------------------------------------------------------------------------------- controls
@pytest.mark.parametrize("name", CONTROLS)
def test_control_maps_fit_the_images_and_depend_on_no_batch(name: str) -> None:
    inputs = metric_inputs(3)
    maps = control_maps(name, inputs)
    assert maps.shape == (3, SIZE, SIZE)
    assert maps.dtype == np.float32
    np.testing.assert_array_equal(control_maps(name, inputs.take(np.array([2])))[0], maps[2])


def test_random_maps_differ_from_image_to_image_and_the_centre_is_the_middle() -> None:
    inputs = metric_inputs(2)
    random_map, bump = control_maps("random", inputs), control_maps("centre", inputs)
    assert (random_map[0] != random_map[1]).any()
    np.testing.assert_allclose(bump[0], bump[0][::-1, ::-1])
    assert bump[0].max() == bump[0, SIZE // 2, SIZE // 2]


def test_the_perfect_control_localises_perfectly_and_needs_a_mask() -> None:
    inputs = metric_inputs()
    for name in ("mass_in_object", "pointing_game_hit_rate", "relevance_rank_accuracy"):
        assert value(name, control_maps("perfect", inputs)) == 1
    with pytest.raises(ConfigError, match="masks"):
        control_maps("perfect", metric_inputs(masks=None))
    with pytest.raises(ConfigError, match="centre"):
        control_maps("center", inputs)
