"""Binarized layers that compute in floats are named with the reason."""

from __future__ import annotations

import re

import pytest

from converters.lce import lce, note
from converters.rewriting.float_layers import binarized_layers
from tests.converters.rewriting.cases import CASES
from tests.converters.rewriting.small_models import randomise

REASONS = {
    "groups of eight channels": "its 4 groups have 8 channels each, which is no multiple of 32",
    "zeros and ones": "its input is not a sign that is +1 or -1 everywhere",
    "ternary kernel": "its weights have more than one magnitude in an output channel",
    "float input, binary kernel": "its input is not a sign that is +1 or -1 everywhere",
    "dense": "LCE has no dense layer",
    "depthwise": "LCE has no depthwise convolution",
    "transposed": "LCE has no transposed convolution",
}


def artifact(name: str) -> bytes:
    import tensorflow as tf

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    made = CASES[name].build()
    randomise(made)
    return lce(made)


@pytest.mark.parametrize(("name", "reason"), REASONS.items())
def test_layer_that_stays_in_floats_is_named_with_its_reason(name: str, reason: str) -> None:
    (layer,) = binarized_layers(artifact(name)).in_floats
    assert layer.reason == reason
    assert layer.name


def test_note_counts_them() -> None:
    assert note(artifact("float input, binary kernel")) == (
        "1 of 2 binarized layers compute in floats (quant_conv2d: its input is not a sign that is +1 or -1 everywhere)"
    )


def test_note_of_a_model_none_of_whose_layers_is_binary_says_so_first() -> None:
    """TensorFlow 2.21 calls a convolution and the norm folded into it by the norm's name, 2.19 by the convolution's."""
    pointwise = r"(quant_separable_conv2d|batch_normalization/FusedBatchNormV3)"
    assert re.fullmatch(
        r"no layer is binary, all compute in float32 \("
        r"quant_separable_conv2d/separable_conv2d: LCE has no depthwise convolution; "
        rf"{pointwise}: its input is not a sign that is \+1 or -1 everywhere\)",
        note(artifact("separable")),
    )


def test_note_of_a_model_without_binarized_layers_says_so() -> None:
    import tensorflow as tf

    image = tf.keras.Input((8, 8, 3))
    assert note(lce(tf.keras.Model(image, tf.keras.layers.Conv2D(4, 3)(image)))) == (
        "no layer is binary: none has signs as its input"
    )


def test_nothing_is_noted_where_all_layers_are_binary() -> None:
    assert note(artifact("chain of bits")) == ""
