"""What holds for every metric of the table: blank and broken maps, absent inputs, batches, scale, order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.quality.evaluation import evaluate, evaluate_together, metric_parameters
from harness.quality.inputs import MetricInputs, Scores
from harness.quality.metrics.metric_table import METRICS
from harness.registry import resolve
from tests.harness.quality.known import SIZE, metric_inputs, oracle_map, random_maps

JUDGES_THE_MAP = [name for name, spec in METRICS.items() if not spec.any_map]
# These ask the method inputs other images and take the map itself only as what to compare with.
ASKS_THE_METHOD = [name for name, spec in METRICS.items() if "explain" in spec.needs]
LOCALISATION = [name for name, spec in METRICS.items() if "mask" in spec.needs]
NUMBERS = {"steps": 4, "samples": 12, "cells": 4, "shares": 2}


def fewer(name: str) -> dict[str, Any]:
    """Parameters that make a metric quick."""
    return {p.name: NUMBERS[p.name] for p in METRICS[name].parameters if p.name in NUMBERS}


def score(name: str, maps: np.ndarray, inputs: MetricInputs) -> Scores:
    return evaluate(name, maps, replace(inputs, parameters=fewer(name)))


def varied(count: int) -> MetricInputs:
    """Images that differ, so that a mix-up of images shows."""
    known = metric_inputs(count)
    pixels = known.images.copy()
    pixels[..., 1] = np.random.default_rng(2).integers(0, 255, pixels.shape[:3])
    return replace(known, images=pixels)


@pytest.mark.parametrize("name", METRICS)
def test_every_row_is_complete(name: str) -> None:
    spec = METRICS[name]
    assert callable(resolve(spec.load))
    assert spec.better in ("higher", "lower")
    assert spec.unit
    assert spec.paper
    assert spec.summary
    assert spec.pitfall
    assert set(spec.needs) <= {"mask", "judge", "explain", "pool", "aopc_bounds"}
    assert metric_parameters(name) == {parameter.name: parameter.default for parameter in spec.parameters}


def test_unknown_metric_and_unknown_parameter_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError, match="deletion_auc"):
        evaluate("deletion_ac", oracle_map(), metric_inputs())
    with pytest.raises(ConfigError, match="steps"):
        metric_parameters("deletion_auc", {"step": 3})
    with pytest.raises(ConfigError, match=r"experiment.toml \[quality\] steps: expected an integer"):
        metric_parameters("deletion_auc", {"steps": 0}, where="experiment.toml [quality]")


@pytest.mark.parametrize("name", JUDGES_THE_MAP)
def test_blank_and_broken_maps_have_no_value_but_a_reason(name: str) -> None:
    maps = np.concatenate([np.zeros((1, SIZE, SIZE)), oracle_map(), np.full((1, SIZE, SIZE), 3.0)]).astype(np.float32)
    maps = np.concatenate([maps, oracle_map(), oracle_map()])
    maps[3, 2, 2], maps[4, 2, 2] = np.nan, np.inf
    scores = score(name, maps, replace(metric_inputs(5), causes=("zero gradient", "", "", "", "")))
    assert np.isfinite(scores.values).tolist() == [False, True, False, False, False]
    assert scores.reasons == (
        "blank map: zero gradient",
        "",
        "blank map: constant",
        "the map holds NaN or infinite values",
        "the map holds NaN or infinite values",
    )


@pytest.mark.parametrize(
    ("name", "part"),
    [(name, {"mask": "masks"}.get(need, need)) for name, spec in METRICS.items() for need in spec.needs],
)
def test_without_what_a_metric_needs_there_is_no_value_but_a_reason(name: str, part: str) -> None:
    scores = score(name, oracle_map(), metric_inputs(**{part: None}))
    assert np.isnan(scores.values).all()
    assert all(scores.reasons)


@pytest.mark.parametrize("name", METRICS)
def test_values_depend_on_neither_batch_nor_order_of_images(name: str) -> None:
    maps, inputs = np.abs(random_maps(4)), varied(4)
    together = score(name, maps, inputs).values
    for order in (np.array([2]), np.array([3, 1, 0, 2])):
        np.testing.assert_allclose(score(name, maps[order], inputs.take(order)).values, together[order], rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in JUDGES_THE_MAP if name not in ASKS_THE_METHOD])
@pytest.mark.parametrize("factor", [0.25, 2.0, 2.0**-40, 2.0**40])  # powers of two: no value is rounded
def test_scaling_a_map_changes_nothing(name: str, factor: float) -> None:
    maps, inputs = random_maps(2), varied(2)
    np.testing.assert_allclose(
        score(name, np.float32(factor) * maps, inputs).values, score(name, maps, inputs).values, rtol=1e-9
    )


@pytest.mark.parametrize("name", ASKS_THE_METHOD)
def test_scaling_a_method_changes_nothing(name: str) -> None:
    inputs = varied(2)
    explain: Callable[..., np.ndarray] = inputs.explain  # type: ignore[assignment]
    maps = explain(inputs.images, inputs.targets, inputs.keys)
    scaled = replace(inputs, explain=lambda *question: 8 * explain(*question))
    np.testing.assert_allclose(score(name, 8 * maps, scaled).values, score(name, maps, inputs).values, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    ["deletion_auc", "insertion_auc", "sparseness", "entropy", *LOCALISATION],
)
def test_permuting_pixels_of_map_image_and_mask_together_changes_nothing(name: str) -> None:
    """For a judge that is permuted with them, and metrics that know no neighbours."""
    from harness.quality.judges import FloatJudge
    from tests.harness.quality.known import fraction_of_the_row_that_is_white

    order = np.random.default_rng(3).permutation(SIZE * SIZE)
    back = np.argsort(order)

    def permuted(array: np.ndarray, by: np.ndarray) -> np.ndarray:
        return array.reshape(len(array), SIZE * SIZE, *array.shape[3:])[:, by].reshape(array.shape)

    inputs = metric_inputs()
    changed = replace(
        inputs,
        images=permuted(inputs.images, order),
        masks=permuted(inputs.masks, order),  # type: ignore[arg-type]
        judge=FloatJudge(lambda pixels: fraction_of_the_row_that_is_white(permuted(pixels, back))),
    )
    parameters = {"baseline": "image_mean", "steps": 4} if name.endswith("auc") else {}
    maps = random_maps()
    expected = evaluate(name, maps, replace(inputs, parameters=parameters)).values
    np.testing.assert_allclose(
        evaluate(name, permuted(maps, order), replace(changed, parameters=parameters)).values, expected, rtol=1e-6
    )


@pytest.mark.parametrize("name", [name for name in JUDGES_THE_MAP if name not in (*ASKS_THE_METHOD, "total_variation")])
def test_the_oracle_scores_better_than_random_maps(name: str) -> None:
    """All but the total variation, which knows no object: one white row varies more than its mean magnitude."""
    sign = 1 if METRICS[name].better == "higher" else -1
    best = score(name, oracle_map(), metric_inputs()).values[0]
    for seed in range(5):
        assert sign * best > sign * score(name, np.abs(random_maps(seed=seed)), metric_inputs()).values[0]


def test_metrics_of_one_family_together_are_those_of_each_alone() -> None:
    requests = {name: fewer(name) for name in METRICS}
    maps, inputs = np.abs(random_maps(3)), varied(3)
    together = evaluate_together(requests, maps, inputs)
    assert list(together) == list(METRICS)
    for name in METRICS:
        alone = score(name, maps, inputs)
        np.testing.assert_array_equal(together[name].values, alone.values)
        assert together[name].reasons == alone.reasons


def test_blank_share_names_the_cause_beside_the_value() -> None:
    maps = np.concatenate([np.zeros((2, SIZE, SIZE), np.float32), oracle_map()])
    scores = evaluate("blank_share", maps, metric_inputs(3, causes=("all negative before the ReLU", "1x1 map", "")))
    np.testing.assert_array_equal(scores.values, [1, 1, 0])
    assert scores.reasons == ("all negative before the ReLU", "1x1 map", "")


def test_blank_share_of_a_broken_map_is_unknown() -> None:
    maps = oracle_map()
    maps[0, 0, 0] = np.nan
    scores = evaluate("blank_share", maps, metric_inputs())
    assert np.isnan(scores.values[0])
    assert scores.reasons == ("the map holds NaN or infinite values",)


def test_a_data_set_mean_that_nobody_knows_is_a_reason() -> None:
    inputs = metric_inputs(parameters={"baseline": "dataset_mean"})
    for name in ("deletion_auc", "insertion_auc", "mu_fidelity", "deletion_naopc", "insertion_naopc"):
        scores = evaluate(name, oracle_map(), inputs)
        assert np.isnan(scores.values[0])
        assert scores.reasons == ("the mean colour of the data set is not known",)
    known = replace(inputs, dataset_mean=np.array([1, 2, 3], np.uint8))
    assert evaluate("deletion_auc", oracle_map(), known).reasons == ("",)
