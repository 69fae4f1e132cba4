"""Strangers' models end in all sorts of ways. What they return is told by its values, and every number follows."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from harness.errors import ConfigError
from harness.saliency import GradientEngine, compute, explain
from tests.harness.strangers.heads import IMAGES, OTHERS, SHAPE, SOFTMAXES, WEIGHTS, dense, logits, model_with

TARGETS = np.array([2, 0, 1, 0])
KINDS = {
    "times 100": "scaled-probabilities",
    "as bytes": "scaled-probabilities",
    "log-softmax": "log-probabilities",
    "no softmax": "logits",
}
ROUNDED = {"as bytes": 3e-3, "cast to halves and back": 1e-3, "clipped hard": 6e-3, "three sigmoids, cast": 1e-3}


@pytest.mark.parametrize("head", SOFTMAXES)
def test_a_softmax_is_seen_whatever_it_is_made_of_and_its_gradients_are_those_of_the_logits(head: str) -> None:
    model = model_with(SOFTMAXES[head])
    engine = GradientEngine(model)
    maps = compute(engine, "gradient", IMAGES, TARGETS)
    np.testing.assert_allclose(maps.values, WEIGHTS[3].T[TARGETS].reshape(-1, *SHAPE), rtol=1e-5)
    assert maps.notes == ()
    assert engine.head.kind == KINDS.get(head, "probabilities")
    np.testing.assert_allclose(engine.scores(IMAGES), softmax(logits(IMAGES, 3), axis=1), atol=ROUNDED.get(head, 1e-5))
    np.testing.assert_allclose(engine.outputs(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("head", OTHERS)
def test_a_sigmoid_is_two_classes_and_several_are_each_their_own(head: str) -> None:
    make, columns, kind = OTHERS[head]
    model = model_with(make, columns)
    engine, chances = GradientEngine(model), expit(logits(IMAGES, columns))
    expected = np.concatenate([1 - chances, chances], axis=1) if columns == 1 else chances
    np.testing.assert_allclose(engine.scores(IMAGES), expected, atol=ROUNDED.get(head, 1e-5))
    np.testing.assert_allclose(engine.outputs(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-6)
    assert engine.head.kind == kind


@pytest.mark.parametrize("head", [name for name, (_, columns, _) in OTHERS.items() if columns == 1])
def test_the_map_of_not_is_that_of_is_with_the_other_sign(head: str) -> None:
    engine = GradientEngine(model_with(OTHERS[head][0], 1))
    maps = compute(engine, "gradient", IMAGES[:2], [1, 0])
    sign = np.array([1, -1]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(maps.values, sign * WEIGHTS[1].reshape(1, *SHAPE), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(maps.predicted, logits(IMAGES[:2], 1)[:, 0] > 0)


def test_a_model_of_keras_3_is_read_the_same_way() -> None:
    import keras

    engine = GradientEngine(model_with(lambda k, x: k.layers.Rescaling(100)(dense(k, x, 3, "softmax")), keras=keras))
    np.testing.assert_allclose(engine.scores(IMAGES), softmax(logits(IMAGES, 3), axis=1), atol=1e-6)
    one = GradientEngine(model_with(lambda k, x: k.ops.clip(dense(k, x, 1, "sigmoid"), 0, 1), 1, keras=keras))
    np.testing.assert_allclose(
        explain(one, IMAGES, targets=[0] * 4), np.abs(WEIGHTS[1]).reshape(1, *SHAPE).max(3)[[0] * 4], rtol=1e-5
    )


def test_a_head_without_logits_is_explained_by_its_inverse_and_says_so() -> None:
    """Squares that sum to 1: no softmax of anything. Gradients are those of the logarithms."""
    import tensorflow as tf

    def head(keras: Any, x: Any) -> Any:
        squares = tf.square(dense(keras, x))
        return squares / tf.reduce_sum(squares, axis=1, keepdims=True)

    model = model_with(head)
    maps = compute(GradientEngine(model), "gradient", IMAGES, TARGETS)
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        chosen = tf.math.log(tf.gather(model(images), TARGETS, batch_dims=1))
    np.testing.assert_allclose(maps.values, tape.gradient(chosen, images), rtol=1e-3, atol=1e-4)
    assert maps.notes == ("gradients are those of the logarithms of its outputs",)


def test_a_relu_before_the_softmax_stays_below_it_though_it_had_nothing_to_do() -> None:
    """Logits that are positive on all images: the gradient of a negative one is 0 all the same."""
    import tf_keras

    image = tf_keras.Input(SHAPE)
    x = tf_keras.layers.Dense(2, name="logits")(tf_keras.layers.Flatten()(image))
    x = tf_keras.layers.Rescaling(100)(tf_keras.layers.Softmax()(tf_keras.layers.ReLU()(x)))
    model = tf_keras.Model(image, x)
    weights = np.zeros((108, 2), np.float32)
    weights[0], weights[1] = [1, 0], [0, 1]
    model.get_layer("logits").set_weights([weights, np.array([0.5, 0.5], np.float32)])
    bright, dark = np.zeros((2, 1, *SHAPE), np.float32)
    bright[0, 0, 0], dark[0, 0, 0] = 1, -2
    engine = GradientEngine(model)
    assert explain(engine, bright, targets=[0]).max() == 1
    assert explain(engine, dark, targets=[0]).max() == 0


# ------------------------------------------------------------------------------------------------------- refusals
def _constant(keras: Any, x: Any) -> Any:
    return dense(keras, x, 1, "softmax")


def _tanh(keras: Any, x: Any) -> Any:
    return dense(keras, x, 3, "tanh")


def _percent(keras: Any, x: Any) -> Any:
    return keras.layers.Rescaling(100)(dense(keras, x, 1, "sigmoid"))


def _negative_logarithms(keras: Any, x: Any) -> Any:
    import tensorflow as tf

    return -tf.nn.log_softmax(dense(keras, x))


def _mostly_normalized(keras: Any, x: Any) -> Any:
    """A sum of 1, or of 0 where nothing is positive."""
    import tensorflow as tf

    positive = tf.nn.relu(dense(keras, x))
    return positive / (tf.reduce_sum(positive, axis=1, keepdims=True) + 1e-6)


def _ordinal(activation: str | None) -> Any:
    """Thresholds on one number, as of ages or grades: is the class at least 1, at least 2, at least 3?"""

    def head(keras: Any, x: Any) -> Any:
        number = dense(keras, x, 1)
        thresholds = keras.layers.Concatenate()([keras.layers.Rescaling(1.0, -i)(number) for i in range(3)])
        return keras.layers.Activation(activation or "linear")(thresholds)

    return head


@pytest.mark.parametrize(
    ("head", "columns", "said"),
    [
        (_negative_logarithms, 3, "logarithms of probabilities with their signs turned"),
        (_mostly_normalized, 3, "mostly to 1"),
        (_constant, 1, "a softmax over one class is always 1"),
        (_tanh, 3, "between -1 and 1, as those of a tanh"),
        (_percent, 1, "never below 0: neither logits nor probabilities"),
        (lambda k, x: dense(k, x, 3, "softplus"), 3, "never below 0: neither logits nor probabilities"),
        (lambda k, x: dense(k, x, 3, "relu"), 3, "never below 0: neither logits nor probabilities"),
        (lambda k, x: dense(k, x, 1, "exponential"), 1, "never below 0: neither logits nor probabilities"),
        (_ordinal("sigmoid"), 1, "are in order in every row"),
        (_ordinal(None), 1, "are in order in every row"),
    ],
)
def test_outputs_that_may_be_anything_are_asked_for(head: Any, columns: int, said: str) -> None:
    with pytest.raises(ConfigError, match=r'try: (output = "|the model without the minus)') as error:
        GradientEngine(model_with(head, columns)).scores(IMAGES)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("head", "columns", "declared", "said"),
    [
        ("no softmax", 3, "probabilities", "outside of 0 to 1"),
        ("followed by identity", 3, "logits", "where logits leave 0 to 1"),
        ("the last layer", 3, "logits", "contradicted by its last layer, a softmax"),
        ("followed by identity", 3, "independent-probabilities", "its rows sum to 1"),
        ("times 100", 3, "probabilities", "outside of 0 to 1"),
        ("a sigmoid", 1, "logit", "where logits leave 0 to 1"),
        ("a sigmoid", 1, "logits", "in one column"),
        ("one logit", 1, "probability", "outside of 0 to 1"),
        ("three sigmoids", 3, "probabilities", "its rows sum to"),
        ("three sigmoids", 3, "probability", "in 3 columns"),
        ("no softmax", 3, "log-probabilities", "some above 0"),
        ("no softmax", 3, "softmax", "expected one of probabilities, logits"),
    ],
)
def test_a_declaration_that_the_values_contradict_is_refused(head: str, columns: int, declared: str, said: str) -> None:
    make = SOFTMAXES[head] if head in SOFTMAXES else OTHERS[head][0]
    with pytest.raises(ConfigError, match=declared) as error:
        GradientEngine(model_with(make, columns), output=declared).scores(IMAGES)
    assert said in str(error.value)


@pytest.mark.parametrize("package", ["tf_keras", "keras"])
def test_a_softmax_over_the_wrong_axis_is_no_softmax_of_the_classes(package: str) -> None:
    """Over the batch, or over single numbers, which are all 1 then."""
    keras = importlib.import_module(package)
    over_images = model_with(lambda k, x: k.layers.Softmax(axis=0)(dense(k, x)), keras=keras)
    with pytest.raises(ConfigError, match="mixes the images of a batch"):
        GradientEngine(over_images).scores(IMAGES)

    def over_one(k: Any, x: Any) -> Any:
        return k.layers.Flatten()(k.layers.Softmax()(k.layers.Reshape((3, 1))(dense(k, x))))

    with pytest.raises(ConfigError, match="between 1 and 1, whatever it is shown"):
        GradientEngine(model_with(over_one, keras=keras)).scores(IMAGES)


def test_a_softmax_over_the_classes_is_found_on_another_axis_than_the_last() -> None:
    def head(keras: Any, x: Any) -> Any:
        return keras.layers.Flatten()(keras.layers.Softmax(axis=1)(keras.layers.Reshape((3, 1))(dense(keras, x))))

    engine = GradientEngine(model_with(head))
    np.testing.assert_allclose(engine.scores(IMAGES), softmax(logits(IMAGES, 3), axis=1), atol=1e-6)
    assert compute(engine, "gradient", IMAGES, TARGETS).notes == ()


def test_logits_that_were_trained_for_independent_classes_are_so_where_that_is_declared() -> None:
    engine = GradientEngine(model_with(dense), output="independent-logits")
    np.testing.assert_allclose(engine.scores(IMAGES), expit(logits(IMAGES, 3)), atol=1e-6)


def test_every_kind_of_outputs_is_documented() -> None:
    from pathlib import Path

    from harness.outputs import KINDS

    page = (Path(__file__).parents[3] / "docs" / "outputs.md").read_text()
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == list(KINDS)
