"""Each construct of a binarized model through our converter: what Keras says, what LCE's converter makes of it."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from converters.lce import lce
from converters.rewriting.reading import read_model
from tests.converters.rewriting.cases import CASES
from tests.converters.rewriting.running import flat, graph_of, needs_lce, on_lce, on_our_operators
from tests.converters.rewriting.small_models import randomise

ROUNDING = 1e-5  # of the largest score: float32 sums of hundreds of terms in another order


@cache
def model_of(name: str) -> Any:
    import tensorflow as tf

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    made = CASES[name].build()
    if "gamma" not in name:
        randomise(made)
    return made


@cache
def artifact(name: str) -> bytes:
    return lce(model_of(name))


@cache
def original(name: str) -> bytes:
    from converters import lce_original

    return lce_original.lce(model_of(name))


def images(name: str) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, (3, *model_of(name).input_shape[1:])).astype(np.float32)


def differs_by(scores: np.ndarray, expected: np.ndarray) -> float:
    """As a fraction of the expected scores' size."""
    return float(np.abs(scores - expected).max() / max(1.0, np.abs(expected).max()))


def operators(content: bytes) -> Counter[str]:
    return Counter(operator.name for operator in graph_of(content).operators)


@pytest.mark.parametrize("name", CASES)
def test_artifact_has_the_operators_that_it_should(name: str) -> None:
    case, found = CASES[name], operators(artifact(name))
    convolutions = [operator for operator in graph_of(artifact(name)).operators if operator.name == "LceBconv2d"]
    assert len(convolutions) == case.binary
    assert sum(convolution.output.type == "INT32" for convolution in convolutions) == case.bits
    assert {operator: found[operator] for operator in case.others} == case.others


@pytest.mark.parametrize("name", CASES)
def test_our_operators_compute_what_keras_computes(name: str) -> None:
    expected = flat(model_of(name).predict(images(name), verbose=0))
    assert differs_by(on_our_operators(artifact(name), images(name)), expected) <= ROUNDING


@needs_lce
@pytest.mark.parametrize("name", CASES)
def test_artifact_is_the_one_of_lce_s_converter(name: str) -> None:
    mine, theirs = operators(artifact(name)), operators(original(name))
    if not CASES[name].as_lce:
        assert mine == theirs
    assert len(artifact(name)) <= 1.01 * len(original(name))


@needs_lce
@pytest.mark.parametrize("name", CASES)
def test_both_artifacts_say_the_same_on_lce_s_interpreter(name: str) -> None:
    expected = on_lce(original(name), images(name))
    assert differs_by(on_lce(artifact(name), images(name)), expected) <= ROUNDING


def test_convolution_inside_of_a_loop_is_binary_too() -> None:
    model = looping()
    content, batch = lce(model), np.random.default_rng(0).normal(0, 1, (2, 8, 8, 32)).astype(np.float32)
    graphs = [[operator.name for operator in graph.operators] for graph in read_model(content).graphs]
    assert ["WHILE", "MEAN"] in graphs
    assert any("LceBconv2d" in names and "SIGN" not in names for names in graphs)
    assert differs_by(on_our_operators(content, batch), model.predict(batch, verbose=0)) <= ROUNDING


def looping() -> Any:
    """A layer that adds the same binarized convolution three times."""
    import larq as lq
    import tensorflow as tf

    class Loop(tf.keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight("kernel", (3, 3, 32, 32))

        def call(self, x: Any) -> Any:
            signs = lq.math.sign(self.kernel)
            return tf.while_loop(
                lambda count, x: count < 3,
                lambda count, x: (count + 1, x + 0.1 * tf.nn.conv2d(lq.math.sign(x), signs, 1, "SAME")),
                (0, x),
            )[1]

    image = tf.keras.Input((8, 8, 32))
    return tf.keras.Model(image, tf.keras.layers.GlobalAveragePooling2D()(Loop()(image)))
