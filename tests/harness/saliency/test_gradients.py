"""Gradient methods against closed forms: linear and ReLU models by hand, finite differences, straight-through forms."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.models.twins import build_twin
from harness.saliency import GradientEngine, compute
from tests import oracles

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, 4, 5, 2)).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(4, 5, 2, 3)).astype(np.float32)
TARGETS = [2, 0, 1]
KERNEL, BIAS, READOUT = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((2, 6), (6,), (6, 3)))


@pytest.mark.parametrize("head", ["none", "dense", "activation", "softmax", "operation"])
def test_gradient_of_a_linear_model_is_its_weights_whatever_the_head(head: str) -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS, head=head))
    found = compute(engine, "gradient", IMAGES, TARGETS)
    np.testing.assert_allclose(found.values, np.moveaxis(WEIGHTS, -1, 0)[TARGETS], rtol=1e-6)
    assert engine.has_softmax == (head != "none")
    assert not found.pseudo_gradient


def test_input_times_gradient_of_a_linear_model_sums_to_the_logit() -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS))
    found = compute(engine, "input_times_gradient", IMAGES, TARGETS)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2, 3)), engine.logits(IMAGES)[[0, 1, 2], TARGETS], rtol=1e-5)


def test_gradient_of_a_relu_network_matches_the_hand_calculation() -> None:
    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))
    found = compute(engine, "gradient", IMAGES, TARGETS)
    for image, target, values in zip(IMAGES, TARGETS, found.values, strict=True):
        expected = oracles.relu_model_gradient(image, KERNEL, BIAS, READOUT, target)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_guided_backprop_drops_what_is_negative_before_a_relu() -> None:
    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))
    found = compute(engine, "guided_backprop", IMAGES, TARGETS)
    for image, target, values in zip(IMAGES, TARGETS, found.values, strict=True):
        expected = oracles.relu_model_gradient(image, KERNEL, BIAS, np.maximum(READOUT, 0), target)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    assert any("sanity check" in note for note in found.notes)
    plain = compute(engine, "gradient", IMAGES, TARGETS)
    assert not np.allclose(plain.values, found.values), "the guided rule must not leak into the plain engine"


def test_guided_backprop_refuses_a_network_without_relu() -> None:
    with pytest.raises(ConfigError, match="no ReLU"):
        compute(GradientEngine(oracles.linear_model(WEIGHTS)), "guided_backprop", IMAGES)


def test_gradient_of_the_float_twin_matches_finite_differences() -> None:
    engine = GradientEngine(build_twin(image_size=32, classes=4, binarized=False))
    image = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype(np.float32)
    gradient = compute(engine, "gradient", image, [1]).values
    direction = gradient / np.linalg.norm(gradient)  # where the slope is largest, so that rounding matters least
    step = np.float32(1e-2)
    high, low = (engine.logits(image + sign * step * direction)[0, 1] for sign in (1, -1))
    assert np.linalg.norm(gradient) == pytest.approx((high - low) / (2 * step), rel=1e-2)  # some ReLUs switch


@pytest.mark.parametrize("ste", oracles.STRAIGHT_THROUGH)
@pytest.mark.parametrize("given", ["ste_sign", "approx_sign"])
def test_pseudo_gradient_matches_the_closed_form_of_the_estimator(ste: str, given: str) -> None:
    import larq as lq

    engine = GradientEngine(oracles.quantized_model(lq.quantizers.get(given), WEIGHTS))
    found = compute(engine, "gradient", IMAGES, TARGETS, parameters={"ste": ste})
    expected = np.moveaxis(WEIGHTS, -1, 0)[TARGETS] * oracles.STRAIGHT_THROUGH[ste](IMAGES)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    assert found.pseudo_gradient


def test_pseudo_gradient_is_by_default_the_quantizers_own() -> None:
    import larq as lq

    engine = GradientEngine(oracles.quantized_model(lq.quantizers.SteSign(clip_value=0.5), WEIGHTS))
    expected = np.moveaxis(WEIGHTS, -1, 0)[TARGETS] * (np.abs(IMAGES) <= 0.5)
    np.testing.assert_allclose(compute(engine, "gradient", IMAGES, TARGETS).values, expected, rtol=1e-6)


def test_swapping_the_estimator_leaves_forward_pass_weights_and_layers_alone() -> None:
    model = build_twin(image_size=32, classes=4, binarized=True)
    layer = model.get_layer("stage1_1")
    before = model.get_weights(), layer.input_quantizer, layer.activation
    image = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
    engine = GradientEngine(model)
    own, other = (compute(engine, "gradient", image, [1, 2], parameters={"ste": ste}) for ste in ("own", "swish_sign"))
    assert not np.allclose(own.values, other.values)
    np.testing.assert_array_equal(engine.variant(ste="swish_sign").logits(image), engine.logits(image))
    for old, new in zip(before[0], model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert (layer.input_quantizer, layer.activation) == before[1:]
    assert layer.kernel is model.get_layer("stage1_1").weights[0] or hasattr(layer.kernel, "latent_variable")


def test_an_estimator_cannot_be_swapped_where_it_would_change_the_forward_pass() -> None:
    import larq as lq

    engine = GradientEngine(oracles.quantized_model(lq.quantizers.SteTern(), WEIGHTS))
    with pytest.raises(ConfigError, match=r"expected a sign\(\) quantizer"):
        compute(engine, "gradient", IMAGES, TARGETS, parameters={"ste": "ste_sign"})


@pytest.mark.parametrize("baseline", ["zero", "minimum", "maximum", "channel_mean"])
def test_integrated_gradients_sum_to_the_logit_difference(baseline: str) -> None:
    from harness.saliency.perturbed import baseline_of

    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))
    found = compute(engine, "integrated_gradients", IMAGES, TARGETS, parameters={"steps": 300, "baseline": baseline})
    start = np.ascontiguousarray(baseline_of(IMAGES, baseline))
    expected = (engine.logits(IMAGES) - engine.logits(start))[np.arange(3), TARGETS]
    np.testing.assert_allclose(found.values.sum(axis=(1, 2, 3)), expected, rtol=5e-3, atol=5e-2)


def test_fullgrad_parts_sum_to_the_logit() -> None:
    engine = GradientEngine(build_twin(image_size=32, classes=4, binarized=False))
    images = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
    found = compute(engine, "fullgrad", images, [1, 3], parameters={"combine": "sum"})
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), engine.logits(images)[[0, 1], [1, 3]], rtol=1e-3)


def test_fullgrad_of_a_model_with_activation_inside_the_convolution_is_complete() -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu", bias_initializer="uniform"),
            layers.Flatten(),
            layers.Dense(5, activation="relu", bias_initializer="uniform"),
            layers.Dense(3, activation="softmax", bias_initializer="uniform"),
        ]
    )
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 2)).astype(np.float32)
    engine = GradientEngine(model)
    found = compute(engine, "fullgrad", images, [0, 2], parameters={"combine": "sum"})
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), engine.logits(images)[[0, 1], [0, 2]], rtol=1e-4)


def test_fullgrad_refuses_a_binarized_network() -> None:
    with pytest.raises(ConfigError, match="quantizers"):
        compute(
            GradientEngine(build_twin(image_size=32, classes=4, binarized=True)), "fullgrad", np.zeros((1, 32, 32, 3))
        )
