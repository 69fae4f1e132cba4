"""Maps in bfloat16: exact where their factors are, near float32 elsewhere, and refused where they would do harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.keras_packages import keras_package
from harness.saliency import GradientEngine, compute, explain
from harness.saliency import precision as precisions
from tests.harness.saliency.test_leaks import living, make_model

IMAGES = np.random.default_rng(0).random((3, 8, 8, 3), np.float32)
BFLOAT16 = {"precision": "bfloat16"}


@pytest.fixture(autouse=True)
def cpu_for_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow computes bfloat16 on any CPU; without instructions for it, slowly."""
    monkeypatch.setattr(precisions, "multiplies_bfloat16", lambda: True)


def linear_model(weight: float, *, package: str = "tf_keras") -> Any:
    """Two logits: the mean of (3 to 8 channels of ones) by a 1x1 kernel of `weight`, and its negative."""
    layers = keras_package(package).layers
    image = layers.Input((8, 8, 3))
    wide = layers.Conv2D(8, 1, use_bias=False, kernel_initializer="ones")(image)
    mixed = layers.Conv2D(8, 1, use_bias=False, kernel_initializer=_constant(weight, package))(wide)
    pooled = layers.GlobalAveragePooling2D()(mixed)
    return keras_package(package).Model(image, layers.Dense(2, kernel_initializer=_constant(0.125, package))(pooled))


def _constant(value: float, package: str) -> Any:
    return keras_package(package).initializers.Constant(value)


def mixed_model(package: str = "tf_keras", *, step: Any = None, size: int = 8) -> Any:
    """Convolutions of both kinds with a norm and ReLUs; `step` is a function among its layers."""
    layers = keras_package(package).layers
    keras_package(package).utils.set_random_seed(0)
    image = layers.Input((size, size, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", use_bias=False)(image)))
    x = layers.ReLU()(layers.Conv2D(64, 1)(x))
    x = layers.ReLU()(layers.Conv2D(32, 3, padding="same")(x))
    if step is not None:
        x = layers.Lambda(step)(x)
    scores = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras_package(package).Model(image, scores)


@pytest.mark.parametrize("package", ["tf_keras", "keras"])
def test_where_factors_fit_into_bfloat16_the_gradient_is_exact(package: str) -> None:
    model = linear_model(0.5, package=package)
    exact, halved = (compute(engine, "gradient", IMAGES) for engine in _engines(model))
    np.testing.assert_array_equal(halved.values, exact.values)
    assert (exact.values == 8 * 8 * 0.5 * 0.125 / 64).all()


def test_a_factor_that_does_not_fit_is_rounded_to_eight_bits() -> None:
    exact, halved = (compute(engine, "gradient", IMAGES).values for engine in _engines(linear_model(1 + 2**-10)))
    assert (exact == (1 + 2**-10) * 0.125).all()
    assert (halved == 0.125).all()


@pytest.mark.parametrize("method", ["gradient", "gradcam", "smoothgrad", "guided_backprop"])
def test_maps_are_near_those_of_float32_and_say_what_they_are(method: str) -> None:
    plain, halved = (compute(engine, method, IMAGES, [0, 1, 2]) for engine in _engines(mixed_model()))
    assert (plain.precision, halved.precision) == ("float32", "bfloat16")
    assert "in bfloat16 where that is faster" in halved.notes
    assert not any("bfloat16" in note for note in plain.notes)
    assert not np.array_equal(plain.values, halved.values)
    assert np.corrcoef(plain.values.ravel(), halved.values.ravel())[0, 1] > 0.98


def test_who_asks_in_turn_compiles_each_precision_once() -> None:
    model = mixed_model()
    maps = [explain(model, IMAGES, **given) for given in ({}, BFLOAT16)]
    before = living()
    for given, expected in zip(({}, BFLOAT16, {"precision": "float32"}), (*maps, maps[0]), strict=True):
        np.testing.assert_array_equal(explain(model, IMAGES, **given), expected)
    assert living() == before


def test_an_engine_keeps_the_precision_that_it_was_made_for() -> None:
    engine = GradientEngine(mixed_model(), precision="bfloat16")
    np.testing.assert_array_equal(explain(engine, IMAGES), explain(engine, IMAGES, **BFLOAT16))
    with pytest.raises(ConfigError, match="the engine was made for bfloat16"):
        explain(engine, IMAGES, precision="float32")


def _engines(model: Any) -> tuple[GradientEngine, GradientEngine]:
    return GradientEngine(model), GradientEngine(model, precision="bfloat16")


# --------------------------------------------------------------------------------------------------------- refusals
def _sign(values: Any) -> Any:
    import tensorflow as tf

    return values * tf.stop_gradient(tf.sign(values - 0.1))


def _by_comparison(values: Any) -> Any:
    import tensorflow as tf

    return tf.where(values > 0.1, values, -values)


def _by_cast(values: Any) -> Any:
    import tensorflow as tf

    return values + tf.cast(tf.cast(values * 10, tf.int32), tf.float32)


def _quantized(values: Any) -> Any:
    import tensorflow as tf

    return tf.quantization.fake_quant_with_min_max_args(values, -1, 1)


@pytest.mark.parametrize("step", [_sign, _by_comparison, _by_cast, _quantized])
def test_a_model_with_a_step_is_refused_by_its_name(step: Any) -> None:
    with pytest.raises(
        ConfigError, match=r'^precision: "bfloat16" is not for model "\w+": "lambda.*" \(\w+\) has a step'
    ):
        GradientEngine(mixed_model(step=step), precision="bfloat16")


def test_a_binarized_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="it is binarized, and rounding a sum may flip its sign"):
        explain(make_model(), np.zeros((1, 16, 16, 3), np.float32), **BFLOAT16)


def test_a_model_without_such_convolutions_is_refused() -> None:
    layers = keras_package("tf_keras").layers
    image = layers.Input((8, 8, 3))
    model = keras_package("tf_keras").Model(image, layers.Dense(2)(layers.Flatten()(image)))
    with pytest.raises(ConfigError, match="it has no convolution that would be faster"):
        explain(model, IMAGES, **BFLOAT16)


def test_layers_that_run_as_they_are_are_no_place_for_it() -> None:
    with pytest.raises(ConfigError, match="its layers run as they are"):
        GradientEngine(mixed_model(), fast=False, precision="bfloat16")


def test_a_cpu_without_instructions_for_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precisions, "multiplies_bfloat16", lambda: False)
    with pytest.raises(ConfigError, match="this one has neither avx512_bf16 nor amx_bf16"):
        explain(mixed_model(), IMAGES, **BFLOAT16)


@pytest.mark.parametrize("wrong", ["bf16", "float16", 16, None])
def test_another_precision_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="precision: expected one of float32, bfloat16"):
        GradientEngine(mixed_model(), precision=wrong)
