"""Strangers' models end in all sorts of ways. What they return is told by its values, and every number follows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from harness.errors import ConfigError
from harness.saliency import GradientEngine, compute
from tests.harness.strangers.heads import IMAGES, SHAPE, SOFTMAXES, WEIGHTS, dense, logits, model_with

TARGETS = np.array([2, 0, 1, 0])
KINDS = {
    "times 100": "scaled-probabilities",
    "as bytes": "scaled-probabilities",
    "log-softmax": "log-probabilities",
    "no softmax": "logits",
}
ROUNDED = {"as bytes": 3e-3, "cast to halves and back": 1e-3, "clipped hard": 6e-3}


@pytest.mark.parametrize("head", SOFTMAXES)
def test_a_softmax_is_seen_whatever_it_is_made_of_and_applied_once(head: str) -> None:
    engine = GradientEngine(model_with(SOFTMAXES[head]))
    np.testing.assert_allclose(engine.scores(IMAGES), softmax(logits(IMAGES, 3), axis=1), atol=ROUNDED.get(head, 1e-5))
    assert engine.head.kind == KINDS.get(head, "probabilities")


@pytest.mark.parametrize("head", SOFTMAXES)
def test_gradients_are_those_of_the_logits_below_it(head: str) -> None:
    engine = GradientEngine(model_with(SOFTMAXES[head]))
    maps = compute(engine, "gradient", IMAGES, TARGETS)
    expected = WEIGHTS[3].T[TARGETS].reshape(-1, *SHAPE)
    np.testing.assert_allclose(maps.values, expected, rtol=1e-5)
    assert not maps.notes
