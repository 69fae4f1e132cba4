"""Networks drawn at random: whatever is rewritten in them, the logits and maps are those of the plain graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.saliency import GradientEngine
from harness.saliency.engine.rewrites import dense_layers, residuals, tiles

SIZE, CLASSES = 9, 4
IMAGES = np.random.default_rng(0).normal(size=(3, SIZE, SIZE, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 2])
SEEDS = range(24)


pytestmark = pytest.mark.usefixtures("floats_library")


@pytest.fixture(autouse=True)
def nothing_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LEAST_PRODUCTS", 0)
    monkeypatch.setattr(residuals, "LEAST_VALUES", 0)
    monkeypatch.setattr(dense_layers, "LEAST_WEIGHTS", 100)


class Drawn:
    """A network of some blocks; every choice is by one generator. It compares values or is smooth, not both: TensorFlow
    computes a swish by other bits where it is free to."""

    def __init__(self, seed: int) -> None:
        import larq as lq
        import tensorflow as tf

        self.random = np.random.default_rng(seed)
        self.tf, self.layers, self.quant_layers = tf, tf.keras.layers, lq.layers
        self.kind = self.choice("smooth", "relus", "signs", "signs")
        self.compares = self.kind != "smooth"
        tf.keras.utils.set_random_seed(seed)

    def choice(self, *options: Any) -> Any:
        return options[self.random.integers(len(options))]

    def model(self) -> Any:
        inputs = self.tf.keras.Input((SIZE, SIZE, 3))
        values = self.layers.Conv2D(64, 1)(inputs)
        for _ in range(self.random.integers(3, 8)):
            values = self.choice(
                self.convolved, self.convolved, self.residual, self.residual, self.pooled, self.joined
            )(values)
        if self.kind == "relus":  # one at least
            values = self.layers.ReLU()(values)
        if self.choice(True, False):
            values = self.layers.Dense(32, activation=self.activation())(self.layers.Flatten()(values))
        else:
            values = self.layers.GlobalAveragePooling2D()(values)
        model = self.tf.keras.Model(inputs, self.layers.Dense(CLASSES, activation="softmax")(values))
        model.set_weights([weight + self.random.uniform(-0.1, 0.1, weight.shape) for weight in model.get_weights()])
        for weight in model.weights:
            if "variance" in weight.name:
                weight.assign(0.1 + np.abs(weight.numpy()))
        return model

    def convolved(self, values: Any) -> Any:
        """A convolution, maybe a norm, maybe an activation."""
        channels, taps = self.choice(32, 64, 40), self.choice(1, 1, 3)
        padding = self.choice("same", "same", "valid") if values.shape[1] > 4 else "same"
        kind = self.choice("plain", "activated", "quantized", "quantized", "depthwise")
        if kind == "depthwise":
            values = self.layers.DepthwiseConv2D(taps, padding=padding)(values)
        elif kind == "quantized" and self.kind == "signs":
            signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "padding": "same", "pad_values": 1}
            options = self.choice(signs, {"padding": padding, "use_bias": False})
            values = self.quant_layers.QuantConv2D(channels, taps, **options)(values)
        else:
            activation = self.activation() if kind == "activated" else None
            stride = self.choice(1, 1, 2) if values.shape[1] > 4 else 1
            options = {"use_bias": self.choice(True, False), "padding": padding, "strides": stride}
            options |= {"activation": activation}
            values = self.layers.Conv2D(channels, taps, **options)(values)
        return self.activated(self.normed(values))

    def normed(self, values: Any) -> Any:
        options = {"scale": self.choice(True, True, False), "center": self.choice(True, True, False)}
        return self.layers.BatchNormalization(**options)(values) if self.choice(True, False) else values

    def activation(self) -> str:
        return self.choice("relu", "relu", "relu6") if self.compares else "swish"

    def activated(self, values: Any) -> Any:
        layers = self.layers
        kinds: list[Callable[[Any], Any]] = [lambda given: given, layers.Activation(self.activation())]
        if self.compares:
            kinds += [layers.ReLU(), layers.ReLU(max_value=6), self.tf.nn.relu, lambda given: given]
        return self.choice(*kinds)(values)

    def residual(self, values: Any) -> Any:
        """A sum of a branch and of the map, or of what a convolution makes of it.

        Without a bias: TensorFlow may add a map to a convolution's while that adds its bias, and round otherwise.
        """
        made = self.layers.Conv2D
        channels, kind = int(values.shape[-1]), self.quant_layers.QuantConv2D if self.kind == "signs" else made
        branch = values
        for _ in range(self.random.integers(1, 3)):
            quantizers = {"input_quantizer": "ste_sign"} if kind is not made and self.choice(True, False) else {}
            options = {"padding": "same", "use_bias": False, **quantizers}
            branch = self.normed(kind(channels, self.choice(1, 3), **options)(self.activated(branch)))
        short = values if self.choice(True, False) else self.normed(made(channels, 1, use_bias=False)(values))
        return self.activated(self.layers.Add()(self.choice([branch, short], [short, branch])))

    def pooled(self, values: Any) -> Any:
        kinds = [self.layers.AveragePooling2D, *([self.layers.MaxPooling2D] if self.compares else [])]
        return self.choice(*kinds)(2, padding="same")(values)

    def joined(self, values: Any) -> Any:
        """Two readers of one map, beside each other."""
        return self.layers.Concatenate()([self.convolved_as_it_is(values), values])

    def convolved_as_it_is(self, values: Any) -> Any:
        return self.layers.Conv2D(
            32, self.choice(1, 3), padding="same", activation=self.choice(self.activation(), None)
        )(values)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_has_the_plain_logits_and_the_plain_maps(seed: int) -> None:
    check(seed)


def check(seed: int) -> None:
    drawn = Drawn(seed)
    model = drawn.model()
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    actual, expected = (engine.backward(IMAGES, TARGETS) for engine in (fast, plain))
    if drawn.compares:  # last bits may decide which way a gradient goes
        np.testing.assert_array_equal(actual.logits, expected.logits)
    else:
        np.testing.assert_allclose(actual.logits, expected.logits, rtol=0, atol=2e-6 * np.abs(expected.logits).max())
    wanted = expected.input_gradient
    np.testing.assert_allclose(actual.input_gradient, wanted, rtol=0, atol=3e-5 * np.abs(wanted).max())
    names = [info.name for info in fast.setup.candidates][-3:]
    for name in names:
        of_layer, plain_layer = (
            engine.backward(IMAGES, TARGETS, layers=(name,), input_gradient=False) for engine in (fast, plain)
        )
        wanted = plain_layer.gradients[name]
        np.testing.assert_allclose(of_layer.gradients[name], wanted, rtol=0, atol=3e-5 * np.abs(wanted).max())
