"""Gradient methods against closed forms: linear and ReLU models by hand, finite differences, straight-through forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.models.twins import build_twin
from harness.outputs import PROBABILITIES
from harness.saliency import GradientEngine, compute
from tests import oracles
from tests.harness.saliency import paper_models

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, 4, 5, 2)).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(4, 5, 2, 3)).astype(np.float32)
TARGETS = [2, 0, 1]
KERNEL, BIAS, READOUT = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((2, 6), (6,), (6, 3)))


@pytest.mark.parametrize("head", ["none", "dense", "activation", "softmax", "operation"])
def test_gradient_of_a_linear_model_is_its_weights_whatever_the_head(head: str) -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS, head=head))
    attribution = compute(engine, "gradient", IMAGES, TARGETS)
    np.testing.assert_allclose(attribution.values, np.moveaxis(WEIGHTS, -1, 0)[TARGETS], rtol=1e-6)
    assert (engine.head.kind == PROBABILITIES) == (head != "none")
    assert not attribution.pseudo_gradient


def test_input_times_gradient_of_a_linear_model_sums_to_the_logit() -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS))
    attribution = compute(engine, "input_times_gradient", IMAGES, TARGETS)
    np.testing.assert_allclose(
        attribution.values.sum(axis=(1, 2, 3)), engine.logits(IMAGES)[[0, 1, 2], TARGETS], rtol=1e-5
    )


def test_gradient_of_a_relu_model_matches_the_hand_calculation() -> None:
    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))
    attribution = compute(engine, "gradient", IMAGES, TARGETS)
    for image, target, values in zip(IMAGES, TARGETS, attribution.values, strict=True):
        expected = oracles.relu_model_gradient(image, KERNEL, BIAS, READOUT, target)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_guided_backprop_drops_what_is_negative_before_a_relu() -> None:
    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))
    attribution = compute(engine, "guided_backprop", IMAGES, TARGETS)
    for image, target, values in zip(IMAGES, TARGETS, attribution.values, strict=True):
        expected = oracles.relu_model_gradient(image, KERNEL, BIAS, np.maximum(READOUT, 0), target)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    assert any("sanity check" in note for note in attribution.notes)
    plain = compute(engine, "gradient", IMAGES, TARGETS)
    assert not np.allclose(plain.values, attribution.values), "the guided rule must not leak into the plain engine"


@pytest.mark.parametrize("written", ["layer", "activation layer", "activation", "relu6", "operation", "operation6"])
def test_guided_backprop_finds_a_relu_however_it_is_written(written: str) -> None:
    import tensorflow as tf

    layers, inputs = tf.keras.layers, tf.keras.Input((4, 5, 2))
    convolution = layers.Conv2D(6, 1, activation="relu" if written == "activation" else None)
    after = {
        "layer": layers.ReLU(),
        "activation layer": layers.Activation("relu"),
        "activation": layers.Activation("linear"),
        "relu6": layers.ReLU(6.0),
        "operation": tf.nn.relu,
        "operation6": tf.nn.relu6,
    }[written]
    dense = layers.Dense(3, use_bias=False)
    outputs = dense(layers.Flatten()(layers.GlobalAveragePooling2D(keepdims=True)(after(convolution(inputs)))))
    convolution.set_weights([KERNEL[None, None], BIAS])
    dense.set_weights([READOUT])
    engine = GradientEngine(tf.keras.Model(inputs, outputs))
    attribution = compute(engine, "guided_backprop", IMAGES, TARGETS)
    assert (IMAGES @ KERNEL + BIAS).max() < 6, "else a ReLU6 would be another function"
    for image, target, values in zip(IMAGES, TARGETS, attribution.values, strict=True):
        expected = oracles.relu_model_gradient(image, KERNEL, BIAS, np.maximum(READOUT, 0), target) / 20
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_guided_backprop_refuses_a_model_without_relu() -> None:
    with pytest.raises(ConfigError, match="defined only for ReLUs"):
        compute(GradientEngine(oracles.linear_model(WEIGHTS)), "guided_backprop", IMAGES)


def float_twin() -> Any:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    return build_twin(image_size=32, classes=10, binarized=False)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("twin", 0.01),
        *(pytest.param(name, 0.01, marks=pytest.mark.slow) for name in ("MobileNet", "VGG16", "ResNet50")),
        # Smooth, so that the step may be long; its pixels are 0...255. MobileNetV2 is left out: with random weights its
        # slope is 1e-13, far below the last bit of a logit.
        pytest.param("EfficientNetB0", 10, marks=pytest.mark.slow),
    ],
)
def test_gradient_matches_finite_differences_in_random_directions(name: str, step: float) -> None:
    model = float_twin() if name == "twin" else paper_models.build(name, size=64)
    engine = GradientEngine(model)
    image = paper_models.images(1, size=model.input_shape[1], name=name)
    gradient = compute(engine, "gradient", image, [7]).values
    directions = np.random.default_rng(2).normal(size=(24, *image.shape[1:])).astype(np.float32)
    directions /= np.linalg.norm(directions.reshape(24, -1), axis=1)[:, None, None, None]
    high, low = (engine.logits(image + np.float32(sign * step) * directions)[:, 7] for sign in (1, -1))
    measured, slopes = (high - low) / (2 * step), (gradient * directions).sum(axis=(1, 2, 3))
    tolerance = 1e-4 if name == "EfficientNetB0" else 2e-2  # in the others some ReLUs switch on the way
    assert oracles.correlation(measured, slopes) > 1 - tolerance / 10
    assert measured @ slopes == pytest.approx(slopes @ slopes, rel=tolerance)


@pytest.mark.parametrize("ste", oracles.STRAIGHT_THROUGH)
@pytest.mark.parametrize("given", ["ste_sign", "approx_sign"])
def test_pseudo_gradient_matches_the_closed_form_of_the_estimator(ste: str, given: str) -> None:
    import larq as lq

    engine = GradientEngine(oracles.quantized_model(lq.quantizers.get(given), WEIGHTS))
    attribution = compute(engine, "gradient", IMAGES, TARGETS, parameters={"ste": ste})
    expected = np.moveaxis(WEIGHTS, -1, 0)[TARGETS] * oracles.STRAIGHT_THROUGH[ste](IMAGES)
    np.testing.assert_allclose(attribution.values, expected, rtol=1e-4, atol=1e-5)
    assert attribution.pseudo_gradient


@pytest.mark.parametrize("ste", oracles.STRAIGHT_THROUGH)
def test_pseudo_gradient_through_a_binarized_layer_has_signed_kernels_and_the_estimator_of_its_input(ste: str) -> None:
    import larq as lq
    import tensorflow as tf

    inputs = tf.keras.Input((4, 5, 2))
    binarized = lq.layers.QuantConv2D(6, 1, input_quantizer="ste_sign", kernel_quantizer="ste_sign", use_bias=False)
    dense = tf.keras.layers.Dense(3, use_bias=False)
    outputs = dense(tf.keras.layers.GlobalAveragePooling2D()(binarized(inputs)))
    binarized.set_weights([KERNEL[None, None]])
    dense.set_weights([READOUT])
    attribution = compute(
        GradientEngine(tf.keras.Model(inputs, outputs)), "gradient", IMAGES, TARGETS, parameters={"ste": ste}
    )
    upstream = READOUT.T[TARGETS] @ np.sign(KERNEL).T / 20  # (N, channels), the same at all 20 pixels
    expected = upstream[:, None, None, :] * oracles.STRAIGHT_THROUGH[ste](IMAGES)
    np.testing.assert_allclose(attribution.values, expected, rtol=1e-4, atol=1e-5)
    assert attribution.pseudo_gradient


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
    from harness.saliency.methods.copies import baseline_of

    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))
    attribution = compute(
        engine, "integrated_gradients", IMAGES, TARGETS, parameters={"steps": 300, "baseline": baseline}
    )
    start = np.ascontiguousarray(baseline_of(IMAGES, baseline))
    expected = (engine.logits(IMAGES) - engine.logits(start))[np.arange(3), TARGETS]
    np.testing.assert_allclose(attribution.values.sum(axis=(1, 2, 3)), expected, rtol=5e-3, atol=5e-2)


@pytest.mark.parametrize(
    ("baseline", "start"),
    [
        ("zero", np.zeros_like(IMAGES)),
        ("minimum", np.stack([np.full_like(image, image.min()) for image in IMAGES])),
        ("maximum", np.stack([np.full_like(image, image.max()) for image in IMAGES])),
        ("channel_mean", np.stack([np.zeros_like(image) + image.reshape(-1, 2).mean(axis=0) for image in IMAGES])),
    ],
)
def test_integrated_gradients_of_a_linear_model_are_its_weights_times_the_way(baseline: str, start: np.ndarray) -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS))
    attribution = compute(
        engine, "integrated_gradients", IMAGES, TARGETS, parameters={"steps": 2, "baseline": baseline}
    )
    np.testing.assert_allclose(
        attribution.values, (IMAGES - start) * np.moveaxis(WEIGHTS, -1, 0)[TARGETS], rtol=1e-4, atol=1e-5
    )


def test_integrated_gradients_of_a_square_are_exact_with_two_points() -> None:
    """Gauss's rule of n points integrates polynomials of degree 2n - 1 exactly, and a logit x**2 has the part x**2."""
    import tensorflow as tf

    inputs = tf.keras.Input((4, 5, 2))
    outputs = tf.keras.layers.Dense(3, kernel_initializer="ones")(tf.keras.layers.Flatten()(tf.square(inputs)))
    engine = GradientEngine(tf.keras.Model(inputs, outputs), output="logits")
    attribution = compute(engine, "integrated_gradients", IMAGES, TARGETS, parameters={"steps": 2})
    np.testing.assert_allclose(attribution.values, IMAGES**2, rtol=1e-4, atol=1e-6)


def test_fullgrad_parts_sum_to_the_logit() -> None:
    """Of a trained model: an untrained one's batch norms add nothing."""
    engine = GradientEngine(load_model(catalogue_model("planted-float", CATALOGUE["planted-float"])))
    images = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)
    attribution = compute(engine, "fullgrad", images, [1, 3], parameters={"combine": "sum"})
    np.testing.assert_allclose(attribution.values.sum(axis=(1, 2)), engine.logits(images)[[0, 1], [1, 3]], rtol=1e-3)


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
    attribution = compute(engine, "fullgrad", images, [0, 2], parameters={"combine": "sum"})
    np.testing.assert_allclose(attribution.values.sum(axis=(1, 2)), engine.logits(images)[[0, 1], [0, 2]], rtol=1e-4)


def test_fullgrad_as_in_the_paper_adds_up_rescaled_absolute_shares() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    convolution, dense = layers.Conv2D(6, 1, activation="relu"), layers.Dense(3)
    model = tf.keras.Sequential([tf.keras.Input((4, 5, 2)), convolution, layers.GlobalAveragePooling2D(), dense])
    convolution.set_weights([KERNEL[None, None], BIAS])
    dense.set_weights([READOUT, np.ones(3)])
    attribution = compute(GradientEngine(model), "fullgrad", IMAGES, TARGETS)

    def rescaled(values: np.ndarray) -> np.ndarray:
        values = np.abs(values) - np.abs(values).min()
        return values / values.max()

    for image, target, values in zip(IMAGES, TARGETS, attribution.values, strict=True):
        gate = (image @ KERNEL + BIAS > 0) * READOUT[:, target] / 20
        expected = rescaled(image * (gate @ KERNEL.T)).sum(axis=-1) + rescaled(gate * BIAS).sum(axis=-1)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_fullgrad_refuses_a_binarized_model() -> None:
    with pytest.raises(ConfigError, match="quantizers"):
        compute(
            GradientEngine(build_twin(image_size=32, classes=4, binarized=True)), "fullgrad", np.zeros((1, 32, 32, 3))
        )
