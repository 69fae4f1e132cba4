"""The engine: shapes, targets, batches, shared passes, errors that name their layer, models left as found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError, MeasurementError
from harness.models.twins import build_twin
from harness.saliency import GradientEngine, compute, compute_many, explain
from tests import oracles

IMAGES = np.random.default_rng(0).normal(size=(5, 32, 32, 3)).astype(np.float32)
TARGETS = [3, 0, 1, 2, 3]


@pytest.fixture(scope="module", params=[False, True], ids=["float", "binarized"])
def model(request: pytest.FixtureRequest) -> Any:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    return build_twin(image_size=32, classes=4, binarized=request.param)


def test_scores_are_what_the_model_returns(model: Any) -> None:
    np.testing.assert_allclose(GradientEngine(model).scores(IMAGES), model(IMAGES, training=False), atol=1e-5)


def test_the_fast_graph_gives_the_same_maps_as_the_plain_one(model: Any) -> None:
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    for method in ("gradient", "gradcam"):
        a, b = (compute(engine, method, IMAGES, TARGETS).values for engine in (fast, plain))
        np.testing.assert_allclose(a, b, atol=1e-4 * np.ptp(b))


def test_maps_do_not_depend_on_the_batch_or_its_order(model: Any) -> None:
    engine = GradientEngine(model)
    whole = compute(engine, "gradient", IMAGES, TARGETS).values
    turned = compute(engine, "gradient", IMAGES[::-1], TARGETS[::-1]).values[::-1]
    np.testing.assert_array_equal(turned, whole)
    for batch_size, threads in ((1, 1), (2, 2), (16, 1)):
        other = compute(GradientEngine(model, batch_size=batch_size, threads=threads), "gradient", IMAGES, TARGETS)
        np.testing.assert_allclose(other.values, whole, atol=1e-4 * np.ptp(whole))


def test_several_methods_share_one_pass_and_give_what_they_give_alone(model: Any) -> None:
    engine, passes = GradientEngine(model), []
    backward = engine.backward
    engine.backward = lambda *args, **kwargs: passes.append(1) or backward(*args, **kwargs)  # type: ignore[method-assign]
    jobs = [("gradcam", {}), ("smoothgrad", {"samples": 2}), ("gradient", {}), ("layercam", {})]
    together = compute_many(engine, jobs, IMAGES[:2], TARGETS[:2])
    assert len(passes) == 2, "one for the three one-pass methods, one for the four noisy copies"
    for (name, parameters), attribution in zip(jobs, together, strict=True):
        alone = compute(engine, name, IMAGES[:2], TARGETS[:2], parameters=parameters).values
        np.testing.assert_allclose(attribution.values, alone, atol=1e-6 * np.ptp(alone))


def test_with_targets_a_pass_for_the_predicted_class_is_made_once_somebody_asks(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, passes = GradientEngine(model), []
    predicted = engine.logits(IMAGES).argmax(axis=1)
    logits = engine.logits
    monkeypatch.setattr(engine, "logits", lambda images: passes.append(len(images)) or logits(images))
    attribution = compute(engine, "smoothgrad", IMAGES, predicted, parameters={"samples": 2})
    assert passes == []
    for _ in range(2):
        np.testing.assert_array_equal(attribution.predicted, predicted)
    assert passes == [len(IMAGES)]


def test_without_targets_the_predicted_class_is_explained(model: Any) -> None:
    engine = GradientEngine(model)
    predicted = engine.logits(IMAGES).argmax(axis=1)
    for method in ("gradient", "smoothgrad"):
        parameters = {"samples": 2} if method == "smoothgrad" else {}
        attribution = compute(engine, method, IMAGES, parameters=parameters)
        np.testing.assert_array_equal(attribution.predicted, predicted)
        explicit = compute(engine, method, IMAGES, predicted, parameters=parameters)
        np.testing.assert_array_equal(attribution.values, explicit.values)


def test_the_model_is_left_as_found_after_success_and_failure(model: Any) -> None:
    before = [(dict(layer.__dict__), layer) for layer in model.layers]
    weights = model.get_weights()
    engine = GradientEngine(model)
    compute(engine, "gradient", IMAGES[:1])
    with pytest.raises(MeasurementError):
        compute(engine, "gradient", np.full((1, 32, 32, 3), np.nan))
    for attributes, layer in before:
        for name in ("activation", "kernel", "bias", "use_bias", "input_quantizer", "kernel_quantizer"):
            assert layer.__dict__.get(name) is attributes.get(name)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_half_precision_images_are_computed_in_single(model: Any) -> None:
    engine = GradientEngine(model)
    half = compute(engine, "gradient", IMAGES.astype(np.float16), TARGETS)
    assert half.values.dtype == np.float32
    np.testing.assert_array_equal(
        half.values, compute(engine, "gradient", IMAGES.astype(np.float16).astype(np.float32), TARGETS).values
    )


def test_grey_and_non_square_images() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 9, 1, 2)).astype(np.float32)
    images = np.ones((2, 6, 9, 1), np.float32)
    assert explain(oracles.linear_model(weights), images).shape == (2, 6, 9)
    kernel, bias, readout = np.ones((3, 2)), np.zeros(2), np.array([[1, -1], [1, -1]])
    model = oracles.relu_model(kernel, bias, readout)  # any height and width
    for size in ((5, 8), (7, 3)):
        assert explain(model, np.ones((1, *size, 3)), "gradcam", layer="features").shape == (1, *size)


def test_a_nested_model_is_opened_up() -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    base = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), tf.keras.layers.Conv2D(4, 3, name="inner")], name="base")
    inputs = tf.keras.Input((8, 8, 3))
    outputs = tf.keras.layers.Dense(3, activation="softmax")(tf.keras.layers.Flatten()(base(inputs)))
    model = tf.keras.Model(inputs, outputs)
    engine = GradientEngine(model)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(engine.scores(images), model(images), atol=1e-6)
    assert compute(engine, "gradcam", images).layer == "base/inner"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_activations_that_are_not_finite_name_their_layer(value: float) -> None:
    model = build_twin(image_size=32, classes=4, binarized=False)
    norm = model.get_layer("stage1_2_norm")
    norm.set_weights([np.full_like(weight, value) for weight in norm.get_weights()])
    with pytest.raises(MeasurementError, match=r'layer "stage1_2(_norm)?" gives NaN or infinite activations'):
        compute(GradientEngine(model), "gradient", IMAGES)


@pytest.mark.parametrize("threads", [1, 2])
def test_feature_maps_are_let_go_of_batch_by_batch(threads: int) -> None:
    import weakref

    engine = GradientEngine(build_twin(image_size=32, classes=4, binarized=False), batch_size=2, threads=threads)
    held: list[weakref.ref[np.ndarray]] = []
    most, backward = 0, engine.backward

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal most
        result = backward(*args, **kwargs)
        held.extend(weakref.ref(features) for features in result.features.values())
        most = max(most, sum(reference() is not None for reference in held))
        return result

    engine.backward = watched  # type: ignore[method-assign]
    images = np.random.default_rng(1).normal(size=(24, 32, 32, 3)).astype(np.float32)
    assert compute(engine, "gradcam", images).values.shape == (24, 8, 8)
    assert len(held) == 12
    assert most <= 2 * threads + 1


def test_wrong_shapes_and_targets_say_what_was_expected() -> None:
    engine = GradientEngine(oracles.linear_model(np.zeros((4, 4, 1, 3))))
    with pytest.raises(ConfigError, match=r"expected images of shape \(N, \*\(4, 4, 1\)\), got \(2, 5, 4, 1\)"):
        compute(engine, "gradient", np.zeros((2, 5, 4, 1)))
    with pytest.raises(ConfigError, match="one target class from 0 to 2 per image"):
        compute(engine, "gradient", np.zeros((2, 4, 4, 1)), [0, 3])
    with pytest.raises(ConfigError, match="one key per image"):
        compute(engine, "gradient", np.zeros((2, 4, 4, 1)), image_keys=["a"])


def test_a_subclassed_model_is_refused_with_advice() -> None:
    import tensorflow as tf

    class Opaque(tf.keras.Model):  # type: ignore[misc]
        pass

    with pytest.raises(ConfigError, match="functional or built sequential"):
        GradientEngine(Opaque())


def test_the_memory_budget_bounds_the_batch() -> None:
    model = build_twin(image_size=64, classes=4, binarized=False)
    assert GradientEngine(model, memory_budget_mib=1).batch_size == 1
    assert GradientEngine(model).batch_size == 8
    assert GradientEngine(model, threads=2).batch_size == 4


@pytest.mark.parametrize("threads", [1, 2])
def test_weights_that_outweigh_activations_are_read_once_for_more_images(threads: int) -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(100), layers.Dense(4)])
    assert GradientEngine(model, threads=threads).batch_size == 16


@pytest.mark.parametrize(("classes", "images"), [(1, 2), (4, 4)])
def test_large_maps_bound_a_batch_less_where_weights_outweigh_them(classes: int, images: int) -> None:
    """11 MB of a map, and 11 MB of weights for each class: of 22 MB of activations one is less, and four are more."""
    import tensorflow as tf

    layers = tf.keras.layers
    maps = layers.Conv2D(64, 3, padding="same")
    model = tf.keras.Sequential([tf.keras.Input((208, 208, 3)), maps, layers.Flatten(), layers.Dense(classes)])
    assert GradientEngine(model, threads=2).batch_size == images


def test_passes_at_the_same_time_run_functions_that_share_no_name_and_are_used_again() -> None:
    engine = GradientEngine(build_twin(image_size=32, classes=4, binarized=True))
    wanted = (IMAGES.shape, (), "input")
    with engine.function(*wanted) as one, engine.function(*wanted) as other:
        first, second = ({op.name for op in function.graph.get_operations()} for function in (one, other))
    at_the_ends = {"images", "targets", "NoOp"}
    assert {name for name in first & second if not name.startswith("Identity")} <= at_the_ends
    with engine.function(*wanted) as again:
        assert again in (one, other)
