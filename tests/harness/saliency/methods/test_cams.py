"""Class activation maps against a model whose features and gradients are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import ConfigError, MeasurementError
from harness.saliency import GradientEngine, compute, list_layers
from tests import oracles

SIZE = (4, 6)
WEIGHTS = np.array([[2.0, -1.0], [-3.0, 4.0]], np.float32)  # channel x class
IMAGES = np.random.default_rng(0).normal(size=(2, *SIZE, 2)).astype(np.float32)
TARGETS = np.array([0, 1])
# Every gradient of the mean over pixels is weight / (h * w), the same at each pixel.
GRADIENTS = WEIGHTS.T[TARGETS] / np.prod(SIZE)  # (N, channels)


def cam(method: str, **parameters: object) -> np.ndarray:
    engine = GradientEngine(oracles.feature_model(2, WEIGHTS, size=SIZE))
    return compute(engine, method, IMAGES, TARGETS, parameters={"layer": "features", **parameters}).values


def weighted(weights: np.ndarray) -> np.ndarray:
    return np.einsum("nhwc,nc->nhw", IMAGES, weights)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, np.maximum(weighted(GRADIENTS), 0)),
        ({"relu": False}, weighted(GRADIENTS)),
        ({"invert": True}, np.maximum(-weighted(GRADIENTS), 0)),
        ({"invert": True, "relu": False}, -weighted(GRADIENTS)),
    ],
)
def test_gradcam_of_a_two_channel_model(parameters: dict[str, bool], expected: np.ndarray) -> None:
    np.testing.assert_allclose(cam("gradcam", **parameters), expected, rtol=1e-5, atol=1e-7)


def test_hirescam_equals_gradcam_where_gradients_are_the_same_everywhere() -> None:
    np.testing.assert_allclose(cam("hirescam", relu=False), cam("gradcam", relu=False), rtol=1e-5, atol=1e-7)


def test_hirescam_without_relu_sums_to_the_logit() -> None:
    logits = (IMAGES.mean(axis=(1, 2)) @ WEIGHTS)[[0, 1], TARGETS]
    np.testing.assert_allclose(cam("hirescam", relu=False).sum(axis=(1, 2)), logits, rtol=1e-5)


def test_layercam_keeps_positive_gradients_only() -> None:
    expected = weighted(np.maximum(GRADIENTS, 0))
    np.testing.assert_allclose(cam("layercam", relu=False), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("normalize_alpha", [False, True])
def test_gradcam_plus_plus_follows_its_formula(normalize_alpha: bool) -> None:
    g, total = GRADIENTS, IMAGES.sum(axis=(1, 2))
    alpha = g**2 / (2 * g**2 + g**3 * total)  # the same at each pixel
    if normalize_alpha:
        alpha = np.full_like(alpha, 1 / np.prod(SIZE))
    expected = weighted(alpha * np.maximum(g, 0) * np.prod(SIZE))
    actual = cam("gradcam_plus_plus", relu=False, normalize_alpha=normalize_alpha)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


def of_its_own_gradient_at_each_pixel(method: str, **parameters: object) -> np.ndarray:
    """A map of a model whose features are the image's channels, each value of them with a weight of its own."""
    import tensorflow as tf

    layers = tf.keras.layers
    features, dense = layers.Conv2D(2, 1, use_bias=False, name="features"), layers.Dense(2, use_bias=False)
    model = tf.keras.Sequential([tf.keras.Input((*SIZE, 2)), features, layers.Flatten(), dense])
    features.set_weights([np.eye(2)[None, None]])
    dense.set_weights([EVERYWHERE.reshape(-1, 2)])
    return compute(GradientEngine(model), method, IMAGES, TARGETS, parameters={"relu": False, **parameters}).values


EVERYWHERE = np.random.default_rng(1).normal(size=(*SIZE, 2, 2)).astype(np.float32)  # (h, w, channels, classes)
OWN = np.moveaxis(EVERYWHERE, -1, 0)[TARGETS].astype(np.float64)  # (N, h, w, channels)
ALPHA = 1 / (2 + OWN * IMAGES.sum(axis=(1, 2), keepdims=True))


@pytest.mark.parametrize(
    ("method", "parameters", "expected"),
    [
        ("gradcam", {}, weighted(OWN.mean(axis=(1, 2)))),
        ("hirescam", {}, (OWN * IMAGES).sum(axis=-1)),
        ("layercam", {}, (np.maximum(OWN, 0) * IMAGES).sum(axis=-1)),
        ("gradcam_plus_plus", {}, weighted((ALPHA * np.maximum(OWN, 0)).sum(axis=(1, 2)))),
        (
            "gradcam_plus_plus",
            {"normalize_alpha": True},
            weighted((ALPHA / ALPHA.sum(axis=(1, 2), keepdims=True) * np.maximum(OWN, 0)).sum(axis=(1, 2))),
        ),
    ],
)
def test_gradients_that_differ_from_pixel_to_pixel_are_used_as_in_the_formula(
    method: str, parameters: dict[str, bool], expected: np.ndarray
) -> None:
    actual = of_its_own_gradient_at_each_pixel(method, **parameters)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("scale", [1e-22, 1e-12, 1e12])
def test_gradcam_plus_plus_survives_gradients_whose_cubes_leave_float32(scale: float) -> None:
    """A model with random weights has such: MobileNetV2's are near 1e-13, QuickNet's near 1e5."""
    actual = compute(
        GradientEngine(oracles.feature_model(2, WEIGHTS * scale, size=SIZE)),
        "gradcam_plus_plus",
        IMAGES,
        TARGETS,
        parameters={"layer": "features", "relu": False},
    ).values
    g = GRADIENTS.astype(np.float64) * scale
    alpha = 1 / (2 + g * IMAGES.sum(axis=(1, 2)))
    expected = weighted(alpha * np.maximum(g, 0) * np.prod(SIZE))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_a_map_that_leaves_float32_is_an_error_that_names_its_layer() -> None:
    """Features near the end of float32, in the second image alone; a ReLU6 hides them from the logits."""
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input((2, 2, 1)),
            layers.Conv2D(1, 1, use_bias=False, name="huge", kernel_initializer="ones"),
            layers.ReLU(6.0, name="bounded"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, kernel_initializer=tf.keras.initializers.Constant(100.0)),
        ]
    )
    images = np.stack([np.ones((2, 2, 1)), [[[3e38], [1.0]], [[3e38], [1.0]]]]).astype(np.float32)  # gradients: 25
    with pytest.raises(MeasurementError, match='gradcam: the map of layer "huge" holds NaN or infinite values'):
        compute(GradientEngine(model, output="logits"), "gradcam", images, [0, 0], parameters={"layer": "huge"})


def test_the_chosen_layer_and_its_alternatives_are_recorded() -> None:
    attribution = compute(GradientEngine(oracles.feature_model(2, WEIGHTS, size=SIZE)), "gradcam", IMAGES, TARGETS)
    assert attribution.layer == "features"
    assert 'map of layer "features"' in attribution.notes[0]


def test_a_layer_on_a_one_pixel_map_is_no_candidate() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="last_spatial"),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Conv2D(5, 1, name="conv_preds"),
            layers.Flatten(),
            layers.Activation("softmax"),
        ]
    )
    layers = list_layers(model)
    assert [(info.name, info.default) for info in layers] == [("last_spatial", True)]
    with pytest.raises(ConfigError, match="last_spatial"):
        GradientEngine(model).layer("conv_preds")


def test_the_default_is_the_residual_sum_when_the_last_convolution_is_on_a_branch() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    y = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    x = layers.Add(name="sum")([x, y])
    outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    layers = {info.name: info for info in list_layers(tf.keras.Model(inputs, outputs))}
    assert [name for name, info in layers.items() if info.default] == ["sum"]
    assert layers["branch"].bypassed
    assert not layers["first"].bypassed


def test_a_fraction_of_the_way_names_layers_that_every_path_passes() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 8, 3))
    x = inputs
    for name in ("first", "second", "third"):
        x = layers.Conv2D(4, 3, padding="same", name=name)(x)
    branch = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    x = layers.Add(name="sum")([x, branch])
    model = tf.keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    engine = GradientEngine(model)
    fractions = ("0%", "33%", "50%", "67%", "100%")
    assert [engine.layer(fraction) for fraction in fractions] == ["first", "second", "third", "third", "sum"]
    with pytest.raises(ConfigError, match='has no layer "101%"'):
        engine.layer("101%")


def test_a_map_of_one_row_is_a_candidate() -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [tf.keras.Input((3, 8, 1)), layers.Conv2D(4, 3, name="row"), layers.GlobalMaxPooling2D(), layers.Dense(2)]
    )
    assert [(info.name, info.height, info.width, info.default) for info in list_layers(model)] == [("row", 1, 6, True)]
    images = np.random.default_rng(0).normal(size=(2, 3, 8, 1))
    attribution = compute(GradientEngine(model), "gradcam", images, [0, 1], parameters={"relu": False})
    assert attribution.values.shape == (2, 1, 6)
    assert attribution.causes == ("", "")


def test_a_model_without_spatial_maps_has_no_class_activation_map() -> None:
    import tensorflow as tf

    model = tf.keras.Sequential([tf.keras.Input((4, 4, 1)), tf.keras.layers.Flatten(), tf.keras.layers.Dense(2)])
    assert list_layers(model) == []
    with pytest.raises(ConfigError, match="no layer has a spatial map"):
        compute(GradientEngine(model), "gradcam", np.zeros((1, 4, 4, 1)))
