"""Parameter randomisation: a method that ignores the model does not change, one that shows it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.quality.randomisation import Cascade, emprt, histogram_entropy, parameter_randomisation, randomised

tf = pytest.importorskip("tensorflow")
IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2])


def small_model(*, binarized: bool) -> Any:
    import larq as lq

    tf.keras.utils.set_random_seed(1)
    quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Conv2D(8, 3, input_shape=(8, 8, 3), name="first"),
            layers.BatchNormalization(name="norm", gamma_initializer="random_normal", beta_initializer="random_normal"),
            lq.layers.QuantConv2D(8, 3, name="second", **(quantizers if binarized else {})),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax", name="top", bias_initializer="random_normal"),
        ]
    )


def gradients(engine: Any) -> np.ndarray:
    from harness.saliency import compute, saliency_map

    return saliency_map(compute(engine, "gradient", IMAGES, TARGETS).values, (8, 8))


def edges(engine: Any) -> np.ndarray:
    """A map of the image alone, whatever the model is."""
    return np.abs(IMAGES).sum(axis=3)


@pytest.fixture(scope="module", params=[False, True], ids=["full-precision", "binarized"])
def model(request: pytest.FixtureRequest) -> Any:
    return small_model(binarized=request.param)


@pytest.fixture(scope="module")
def cascade(model: Any) -> Cascade:
    return parameter_randomisation(model, gradients, seed=0, stages=4)


def test_a_cascade_goes_from_the_top_to_the_whole_model(cascade: Cascade) -> None:
    assert cascade.stages == ("top", "second", "norm", "first")
    assert len(cascade.spearman) == len(cascade.ssim) == 4


def test_maps_of_a_method_that_shows_the_model_change(cascade: Cascade) -> None:
    assert (cascade.spearman[-1].values < 0.8).all()
    assert (cascade.ssim[-1].values < 0.9).all()


def test_a_map_that_ignores_the_model_is_found_out(model: Any) -> None:
    cascade = parameter_randomisation(model, edges, seed=0, stages=2)
    for scores in (*cascade.spearman, *cascade.ssim):
        np.testing.assert_allclose(scores.values, 1)
    np.testing.assert_allclose(emprt(model, edges, seed=0).values, 0)


def test_the_callers_model_stays_as_it_is_and_the_same_seed_gives_the_same_cascade(
    model: Any, cascade: Cascade
) -> None:
    before = [values.copy() for values in model.get_weights()]
    again = parameter_randomisation(model, gradients, seed=0, stages=4)
    for first, second in zip(before, model.get_weights()):
        np.testing.assert_array_equal(first, second)
    for one, other in zip(cascade.spearman, again.spearman):
        np.testing.assert_array_equal(one.values, other.values)
    other_seed = parameter_randomisation(model, gradients, seed=1, stages=4)
    assert (other_seed.spearman[-1].values != cascade.spearman[-1].values).any()


def test_every_weight_is_randomised_in_the_end_and_keeps_its_values(model: Any) -> None:
    for _, engine in randomised(model, seed=0, stages=3):
        last = engine
    weights = {}
    for step in last.graph.steps:
        for weight in step.layer.weights:
            weights[weight.name] = weight.numpy()
    for trained in model.weights:
        values = weights[trained.name]
        np.testing.assert_array_equal(np.sort(values, axis=None), np.sort(trained.numpy(), axis=None))
        if np.unique(values).size > 3:
            assert (values != trained.numpy()).any(), trained.name


def test_the_engine_of_the_clone_sees_weights_that_change_between_passes(model: Any) -> None:
    """One compiled function for all stages: its maps are those of an engine made afterwards."""
    from harness.saliency import GradientEngine

    for _, engine in randomised(model, seed=0, stages=3):
        seen = gradients(engine)
        copy = tf.keras.models.clone_model(model)
        copy.set_weights([w.numpy() for w in _weights_in_order(engine, model)])
        np.testing.assert_allclose(seen, gradients(GradientEngine(copy, fast=False)), atol=1e-6)


def _weights_in_order(engine: Any, model: Any) -> list[Any]:
    by_name = {weight.name: weight for step in engine.graph.steps for weight in step.layer.weights}
    return [by_name[weight.name] for weight in model.weights]


def test_emprt_is_the_relative_rise_of_the_histograms_entropy(model: Any) -> None:
    seen = []

    def watch(engine: Any) -> np.ndarray:
        seen.append(gradients(engine))
        return seen[-1]

    scores = emprt(model, watch, seed=0)
    before, after = histogram_entropy(seen[0]), histogram_entropy(seen[1])
    np.testing.assert_allclose(scores.values, (after - before) / before)


def test_histogram_entropy_of_two_equal_halves_is_ln_2_and_blank_maps_have_none() -> None:
    maps = np.zeros((3, 4, 4), np.float32)
    maps[0, :2] = 1
    maps[2, 0, 0] = np.nan
    np.testing.assert_allclose(histogram_entropy(maps), [np.log(2), np.nan, np.nan])


def test_blank_maps_of_a_randomised_model_are_reasons(model: Any) -> None:
    calls = iter(range(9))

    def soon_blank(engine: Any) -> np.ndarray:
        return edges(engine) if next(calls) == 0 else np.zeros((3, 8, 8), np.float32)

    cascade = parameter_randomisation(model, soon_blank, seed=0, stages=1)
    assert np.isnan(cascade.ssim[0].values).all()
    assert cascade.ssim[0].reasons == ("the second map is blank",) * 3
    calls = iter(range(9))
    blank = emprt(model, soon_blank, seed=0)
    assert np.isnan(blank.values).all()
    assert all(blank.reasons)
