"""Residual blocks: their sums in one pass, by the same bits, and gradients added where the blocks fork."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.saliency import GradientEngine, compute
from harness.saliency.engine.rewrites import norms, residuals
from tests.harness.saliency.engine import graphs
from tests.harness.saliency.engine.graphs import operations

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 5)).astype(np.float32)
TARGETS = np.array([0, 1, 2])
SHAPE = (2, *IMAGES.shape[1:])


pytestmark = pytest.mark.usefixtures("floats_library", "nothing_is_too_small")


def blocks(
    *, channels: int = 64, projected: bool = False, relu: bool = True, norm: bool = True, count: int = 2, **options: Any
) -> Any:
    """A network of residual blocks with names such as "block0_sum"; options are those of the norms."""
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    inputs = tf.keras.Input(IMAGES.shape[1:])
    values = layers.ReLU()(layers.Conv2D(channels, 1)(inputs))
    for number in range(count):
        name = f"block{number}"
        branch = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, 1, name=f"{name}_first")(values)))
        branch = layers.Conv2D(channels, 3, padding="same")(branch)
        branch = layers.BatchNormalization(name=f"{name}_norm", **options)(branch) if norm else branch
        if projected:
            values = layers.BatchNormalization()(layers.Conv2D(channels, 1)(values))
        values = layers.Add(name=f"{name}_sum")([values, branch])
        values = layers.ReLU(name=f"{name}_relu")(values) if relu else values
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(values))
    model = tf.keras.Model(inputs, outputs)
    random = np.random.default_rng(1)
    model.set_weights([weight + 0.2 * random.uniform(0, 1, weight.shape) for weight in model.get_weights()])
    return model


def sums_of_maps(model: Any) -> int:
    with GradientEngine(model).function(SHAPE, (), "input") as function:
        made = function.graph.get_operations()
    return sum(operation.type == "AddV2" and operation.outputs[0].shape.rank == 4 for operation in made)


def assert_plain(model: Any, layers: tuple[str, ...] = ()) -> None:
    graphs.assert_plain(model, IMAGES, TARGETS, layers)


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_norms_sums_and_relus_become_one_operation(projected: bool, relu: bool) -> None:
    model = blocks(projected=projected, relu=relu)
    assert sums_of_maps(model) == 0
    assert_plain(model)


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"epsilon": 0.1}])
def test_norms_of_any_kind_keep_their_bits(options: dict[str, Any]) -> None:
    model = blocks(**options)
    assert sums_of_maps(model) == 0
    assert_plain(model)


@pytest.mark.parametrize(
    ("case", "sums"),
    [({"norm": False}, 2), ({"channels": 40}, 2)],
    ids=["without a norm", "of channels that oneDNN computes otherwise"],
)
def test_other_sums_stay(case: dict[str, Any], sums: int) -> None:
    model = blocks(**case)
    assert sums_of_maps(model) == sums
    assert_plain(model)


@pytest.mark.parametrize("case", ["three maps", "a map of one pixel"])
def test_sums_of_other_maps_stay(case: str) -> None:
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    inputs = tf.keras.Input(IMAGES.shape[1:])
    values = layers.Conv2D(64, 1)(inputs)
    normed = layers.BatchNormalization()(layers.Conv2D(64, 1)(values))
    mean = layers.GlobalAveragePooling2D(keepdims=True)(values)
    summed = layers.Add()([normed, values, values] if case == "three maps" else [normed, mean])
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(layers.ReLU()(summed)))
    model = tf.keras.Model(inputs, outputs)
    assert sums_of_maps(model) >= 1
    assert_plain(model)


def test_sums_of_small_maps_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residuals, "LEAST_VALUES", 8 * 8 * 64 + 1)
    model = blocks()
    assert sums_of_maps(model) == 2
    assert_plain(model)


def test_a_norm_whose_bits_are_others_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU for which TensorFlow computes norms in another order."""
    own = norms.norm_of
    monkeypatch.setattr(norms, "norm_of", lambda layer: _scaled(own(layer)))
    model = blocks()
    assert sums_of_maps(model) == 2
    assert_plain(model)


def _scaled(norm: Any) -> Any:
    return norm._replace(scale=norm.scale * np.float32(1 + 2**-23))


@pytest.mark.parametrize("layer", ["block0_norm", "block0_sum", "block0_relu", "block1_relu", "block0_first"])
def test_outputs_that_are_asked_for_are_the_plain_ones(layer: str) -> None:
    assert_plain(blocks(), (layer,))


@pytest.mark.parametrize("projected", [False, True])
def test_gradients_are_added_and_relus_shut_where_blocks_fork(projected: bool) -> None:
    model = blocks(projected=projected, count=3)
    counted, plain = (operations(GradientEngine(model, fast=way), SHAPE) for way in (True, False))
    assert (plain["AddN"], plain["ReluGrad"]) == (3, 7)
    assert (counted["AddN"], counted["ReluGrad"]) == (0, 1), "the last ReLU is read by an average"
    assert_plain(model)


def test_the_guided_rule_keeps_its_relus() -> None:
    model = blocks()
    actual, expected = (
        compute(GradientEngine(model, fast=way), "guided_backprop", IMAGES, TARGETS).values for way in (True, False)
    )
    assert expected.any()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
