"""Convolutions with one tap in one product with what follows: which are taken, and that no bit moves forwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.native import float_convolution
from harness.saliency import GradientEngine, compute
from harness.saliency.engine.rewrites import norms, products
from tests.harness.saliency.engine import graphs

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 5)).astype(np.float32)
TARGETS = np.array([0, 1, 2])
MORE, MEAN = 3, 6  # places of a convolution's maps


pytestmark = pytest.mark.usefixtures("floats_library", "nothing_is_too_small")


def bottlenecks(
    *, stride: int = 1, projected: bool = False, activation: str = "relu", bias: bool = True, **norm: Any
) -> Any:
    """Two residual blocks of three convolutions, as ResNet50 has them; the first may have a fourth."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    inputs = tf.keras.Input(IMAGES.shape[1:])
    values = layers.Activation(activation)(layers.Conv2D(64, 1)(inputs))
    for block in ("a", "b"):
        first = block == "a"
        branch = layers.Conv2D(64, 1, strides=stride if first else 1, use_bias=bias, name=f"{block}1")(values)
        branch = layers.Activation(activation, name=f"{block}1_relu")(
            layers.BatchNormalization(name=f"{block}1_norm", **norm)(branch)
        )
        branch = layers.Activation(activation)(
            layers.BatchNormalization()(layers.Conv2D(64, 3, padding="same")(branch))
        )
        branch = layers.BatchNormalization(name=f"{block}3_norm", **norm)(
            layers.Conv2D(64, 1, use_bias=bias, name=f"{block}3")(branch)
        )
        if first and projected:
            values = layers.BatchNormalization()(layers.Conv2D(64, 1, strides=stride, use_bias=bias)(values))
        values = layers.Activation(activation, name=f"{block}_relu")(layers.Add(name=f"{block}_sum")([values, branch]))
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    return with_random_weights(tf.keras.Model(inputs, outputs))


def with_random_weights(model: Any) -> Any:
    random = np.random.default_rng(1)
    model.set_weights([weight + 0.2 * random.uniform(0, 1, weight.shape) for weight in model.get_weights()])
    return model


def assert_plain(model: Any, layers: tuple[str, ...] = ()) -> None:
    graphs.assert_plain(model, IMAGES, TARGETS, layers)


def products_of(model: Any, rule: str = "", **options: Any) -> list[str]:
    """What products do forwards in a pass: "norm", "relu", "sum" and "stride" where they do it."""
    engine = GradientEngine(model, batch_size=len(IMAGES), **options)
    engine = engine.variant(relu=rule) if rule else engine
    with engine.function(IMAGES.shape, (), "input") as function:
        convolutions = [each for each in graphs.needed(function) if each.type == "BitlensConvolution"]
    return sorted(filter(None, map(done_after, convolutions)))


def done_after(convolution: Any) -> str:
    """What a convolution with a norm does."""
    *_, stride, is_rectified = convolution.get_attr("numbers")
    places = convolution.get_attr("places")
    parts = {"norm": MEAN in places, "sum": MORE in places, "relu": is_rectified, "stride": stride > 1}
    return " ".join(name for name, done in parts.items() if done) if parts["norm"] else ""


def test_norms_and_relus_or_sums_become_part_of_a_product() -> None:
    model = bottlenecks()
    assert products_of(model) == ["norm relu", "norm relu", "norm sum relu", "norm sum relu"]
    assert_plain(model)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_convolution_of_a_shortcut_is_a_product_of_its_own(stride: int) -> None:
    model = bottlenecks(stride=stride, projected=True)
    over = " stride" if stride > 1 else ""
    expected = sorted([f"norm{over}", f"norm relu{over}", "norm sum relu", "norm relu", "norm sum relu"])
    assert products_of(model) == expected
    assert_plain(model)


@pytest.mark.parametrize("options", [{"bias": False}, {"scale": False}, {"center": False}, {"epsilon": 0.1}], ids=str)
def test_convolutions_and_norms_of_any_kind_keep_their_bits(options: dict[str, Any]) -> None:
    model = bottlenecks(**options)
    assert len(products_of(model)) == 4
    assert_plain(model)


@pytest.mark.parametrize("layer", ["a1", "a1_norm", "a1_relu", "a3", "a3_norm", "a_sum", "a_relu", "b_relu"])
def test_outputs_that_are_asked_for_are_the_plain_ones(layer: str) -> None:
    assert_plain(bottlenecks(projected=True), (layer,))


def test_a_map_that_others_read_as_well_gets_the_gradient_of_all() -> None:
    """The convolution of a block's only branch reads the map that the block adds: its gradient is not at the sum."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    inputs = tf.keras.Input(IMAGES.shape[1:])
    values = layers.ReLU()(layers.Conv2D(64, 1)(inputs))
    for _ in range(2):
        branch = layers.BatchNormalization()(layers.Conv2D(64, 1)(values))
        values = layers.ReLU()(layers.Add()([branch, values]))
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    model = with_random_weights(tf.keras.Model(inputs, outputs))
    assert products_of(model) == ["norm", "norm"]
    assert_plain(model)


def test_the_guided_rule_keeps_its_relus() -> None:
    model = bottlenecks()
    actual, expected = (
        compute(GradientEngine(model, fast=way), "guided_backprop", IMAGES, TARGETS).values for way in (True, False)
    )
    assert set(products_of(model, "guided")) == {"norm", "norm sum"}
    assert expected.any()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["smooth", "bfloat16"])
def test_convolutions_that_took_in_their_norms_forwards_are_no_products(kind: str) -> None:
    model = bottlenecks(activation="swish" if kind == "smooth" else "relu")
    options = {"precision": "bfloat16"} if kind == "bfloat16" else {}
    assert products_of(model, **options) == []


def test_a_convolution_that_tensorflow_adds_up_otherwise_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does on some maps of a few pixels with many channels."""
    convolve = float_convolution.convolve

    def otherwise(values: Any, kernel: Any, **options: Any) -> Any:
        result = convolve(values, kernel, **options)
        return result * np.float32(1 + 2**-22) if options.get("bias") is not None else result

    monkeypatch.setattr(float_convolution, "convolve", otherwise)
    products._adds_up_alike.cache_clear()
    try:
        assert products_of(bottlenecks()) == []
    finally:
        products._adds_up_alike.cache_clear()


def test_a_norm_that_tensorflow_computes_otherwise_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = norms.norm_of
    monkeypatch.setattr(norms, "norm_of", lambda layer: own(layer)._replace(scale=own(layer).scale * 1.0000002))
    model = bottlenecks()
    assert products_of(model) == []
    assert_plain(model)
