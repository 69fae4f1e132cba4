"""Kinds of outputs, told by values of models that are written in NumPy: whatever the weights, scale and range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax

from harness.errors import ConfigError
from harness.outputs import KINDS, class_count, found, probabilities, ranked, require

Model = Callable[[np.ndarray], np.ndarray]
HEADS: dict[str, tuple[str, Model]] = {  # name: (kind, logits -> outputs)
    "softmax": ("probabilities", lambda z: softmax(z, axis=1)),
    "softmax in halves": ("probabilities", lambda z: softmax(z, axis=1).astype(np.float16)),
    "softmax, clipped": ("probabilities", lambda z: np.clip(softmax(z, axis=1), 1e-7, 1 - 1e-7)),
    "logits": ("logits", lambda z: z),
    "sigmoid": ("probability", lambda z: expit(z[:, :1])),
    "one logit": ("logit", lambda z: z[:, :1]),
    "log-softmax": ("log-probabilities", lambda z: log_softmax(z, axis=1)),
    "percent": ("scaled-probabilities", lambda z: 100 * softmax(z, axis=1)),
    "halves of probabilities": ("scaled-probabilities", lambda z: softmax(z, axis=1) / 2),
}


def a_model(seed: int, classes: int, size: float) -> Callable[[np.ndarray], np.ndarray]:
    """Linear logits of random weights, of which each image has some above 0 and some below."""
    rng = np.random.default_rng(seed)
    readout = rng.normal(0, size, (16, classes))
    readout -= readout.mean(axis=1, keepdims=True) * (classes > 1)
    hidden, bias = rng.normal(0, 0.3, (27, 16)), rng.normal(0, 0.3, classes)

    def logits(images: np.ndarray) -> np.ndarray:
        values: np.ndarray = images.reshape(len(images), -1).astype(np.float64) @ hidden @ readout + bias
        return values

    return logits


@pytest.mark.parametrize("head", HEADS)
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(2, 60),
    images=st.integers(1, 12),
    bounds=st.sampled_from([(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0), (-2.1, 2.6), (-123.7, 151.1)]),
)
def test_the_kind_is_found_whatever_weights_and_range(
    head: str, seed: int, classes: int, images: int, bounds: tuple[float, float]
) -> None:
    kind, make = HEADS[head]
    logits = a_model(seed, classes, 1 / max(map(abs, bounds)))
    inputs = np.random.default_rng(seed).uniform(*bounds, (images, 3, 3, 3)).astype(np.float32)
    assert found(lambda x: make(logits(x)), inputs, name="any") == kind
    assert found(lambda x: make(logits(x)), inputs, name="any", declared=kind) == kind


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(3, 40))
def test_three_sigmoids_and_more_are_independent(seed: int, classes: int) -> None:
    logits = a_model(seed, classes, 1.0)
    inputs = np.random.default_rng(seed).uniform(-1, 1, (6, 3, 3, 3)).astype(np.float32)
    assert found(lambda x: expit(logits(x)), inputs, name="any") == "independent-probabilities"


@given(values=st.lists(st.floats(-30, 30), min_size=2, max_size=6))
def test_all_heads_over_the_same_logits_give_the_same_probabilities(values: list[float]) -> None:
    z = np.array([values])
    expected = softmax(z, axis=1)
    outputs = {
        "probabilities": expected,
        "logits": z,
        "log-probabilities": log_softmax(z, axis=1),
        "scaled-probabilities": 255 * expected,
    }
    for kind, of_kind in outputs.items():
        np.testing.assert_allclose(probabilities(of_kind, kind), expected, rtol=1e-9, atol=1e-15)
        require(of_kind, kind, name="any")


@given(z=st.floats(-700, 700))
@example(z=5e-16)  # a sigmoid's last bits hold half of such a logit, or nothing
@example(z=1e-20)
def test_one_column_gives_two_classes_that_sum_to_one(z: float) -> None:
    both = probabilities(np.array([[z]]), "logit")
    np.testing.assert_allclose(both.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(both[0], [expit(-z), expit(z)])
    assert ranked(np.array([[z]]), "logit")[0, 0] == (z > 0)
    np.testing.assert_allclose(probabilities(expit(np.array([[z]])), "probability"), both, atol=1e-15)


def test_a_threshold_belongs_to_not_and_logits_order_what_a_softmax_loses() -> None:
    assert ranked(np.array([[0.5]]), "probability").tolist() == [[0, 1]]
    assert ranked(np.array([[-2000.0, 0.0, -1000.0]]), "logits").tolist() == [[1, 2, 0]]
    assert (class_count(1), class_count(2), class_count(1000)) == (2, 2, 1000)


def test_outputs_of_an_artifact_are_taken_as_they_are_rounded() -> None:
    """int8 probabilities sum to 0.996, and those that are all 0 stay 0."""
    rows = np.array([[254, 1, 0], [0, 0, 0]]) / 256
    np.testing.assert_array_equal(probabilities(rows.astype(np.float32), "probabilities"), rows)
    np.testing.assert_allclose(probabilities(100 * rows, "scaled-probabilities"), [[254 / 255, 1 / 255, 0], [0, 0, 0]])


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_keep_leading_axes(kind: str) -> None:
    """Curves of a board are (images, steps, columns)."""
    columns = 1 if kind in ("probability", "logit") else 3
    rows = np.full((2, 5, columns), 1 / columns)
    np.testing.assert_array_equal(probabilities(rows, kind)[1, 2], probabilities(rows[1, 2][None], kind)[0])
    assert probabilities(rows, kind).shape == (2, 5, class_count(columns))


def test_an_image_that_contradicts_the_kind_is_told_with_the_values() -> None:
    with pytest.raises(ConfigError, match="they lie between 0 and 3, outside of 0 to 1"):
        require(np.array([[0.0, 3.0]]), "probabilities", name="mine")
    require(np.array([[np.nan, np.inf]]), "probabilities", name="mine")  # others say that


def test_a_model_that_looks_up_its_pixels_is_told_by_images_alone() -> None:
    table = softmax(np.random.default_rng(0).normal(size=(256, 3)), axis=1)

    def outputs(images: np.ndarray) -> np.ndarray:
        values: np.ndarray = table[images[:, 0, 0, 0].astype(int)]  # an IndexError for what is no pixel
        return values

    pixels = np.random.default_rng(1).integers(0, 256, (4, 2, 2, 1)).astype(np.float32)
    assert found(outputs, pixels, name="any") == "probabilities"
