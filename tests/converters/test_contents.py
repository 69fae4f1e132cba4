"""What is inside an artifact is counted by hand for models small enough for that."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.arena import ALIGNMENT, Lifetime, arena_bytes
from converters.contents import contents
from converters.lce import lce
from converters.schema import NotAnArtifact, custom_operators
from converters.tflite import dynamic, fp16, fp32

ARTIFACTS = Path(__file__).parents[1] / "device" / "artifacts"  # of a stock converter; see make_artifacts.py


def small_model(*, binarized: bool = False) -> Any:
    """8x8x3 -> 3x3 convolution to 32 -> 3x3 convolution to 64, stride 2 -> pool -> 5 classes."""
    import larq as lq
    import tensorflow as tf

    quantizer = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign"} if binarized else {}
    image = tf.keras.Input((8, 8, 3))
    x = tf.keras.layers.Conv2D(32, 3, padding="same")(image)
    x = lq.layers.QuantConv2D(64, 3, strides=2, padding="same", pad_values=1, use_bias=False, **quantizer)(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(image, tf.keras.layers.Dense(5)(x))


FIRST = 8 * 8 * 32 * 3 * 3 * 3
SECOND = 4 * 4 * 64 * 3 * 3 * 32
CLASSIFIER = 64 * 5
WEIGHTS = 27 * 32 + 32 + 9 * 32 * 64 + 64 * 5 + 5


def test_multiplications_and_weights_of_a_float_model_are_those_by_hand() -> None:
    inside = contents(fp32(small_model()))
    assert inside.macs == {"binary": 0, "int8": 0, "int16": 0, "float": FIRST + SECOND + CLASSIFIER, "other": 0}
    assert inside.macs_unknown == {}
    assert inside.operators["CONV_2D"] == 2
    assert inside.custom_operators == ()
    # the converter adds a bias of zeros to the convolution that has none
    assert WEIGHTS <= inside.parameters <= WEIGHTS + 64
    assert inside.weight_bytes["float"] == 4 * inside.parameters
    assert [tensor.shape for tensor in (*inside.inputs, *inside.outputs)] == [(1, 8, 8, 3), (1, 5)]


def test_binary_convolution_counts_as_binary_and_takes_a_bit_for_each_weight() -> None:
    inside = contents(lce(small_model(binarized=True)))
    assert inside.macs == {"binary": SECOND, "int8": 0, "int16": 0, "float": FIRST + CLASSIFIER, "other": 0}
    assert inside.weight_bytes["binary"] == 9 * 32 * 64 / 8
    assert set(inside.custom_operators) == {"LceBconv2d", "LceQuantize"}


def test_half_floats_take_half_the_bytes_and_multiply_as_floats() -> None:
    inside = contents(fp16(small_model()))
    assert inside.macs["float"] == FIRST + SECOND + CLASSIFIER
    assert inside.weight_bytes["float"] == 2 * inside.parameters


def test_int8_weights_multiply_as_int8_also_when_activations_are_floats() -> None:
    inside = contents(dynamic(small_model()))
    assert inside.macs["int8"] >= SECOND  # the converter leaves weights of fewer than 1024 numbers in floats
    assert inside.macs["int8"] + inside.macs["float"] == FIRST + SECOND + CLASSIFIER


@pytest.mark.parametrize("name", ["float", "int8", "lce"])
def test_foreign_artifacts_are_read_too(name: str) -> None:
    content = (ARTIFACTS / f"{name}.tflite").read_bytes()
    inside = contents(content)
    assert inside.macs["binary"] == (41472 if name == "lce" else 0)  # 6 x 6 x 16 outputs of 3 x 3 x 8 signs
    assert list(inside.custom_operators) == custom_operators(content)


def test_integer_ends_keep_their_scale() -> None:
    inside = contents((ARTIFACTS / "int8.tflite").read_bytes())
    assert inside.inputs[0].type == "INT8"
    assert inside.inputs[0].scale == pytest.approx(2 / 255, rel=1e-3)  # -1 … 1 in 255 steps


# ------------------------------------------------------------------------------------------------- damaged artifacts
def test_bytes_of_something_else_are_not_an_artifact() -> None:
    for content in (b"", b"PK\x03\x04 a zip file", b"\x89HDF\r\n\x1a\n" + bytes(100)):
        with pytest.raises(NotAnArtifact, match="expected the mark TFL3"):
            contents(content)


@given(st.data())
def test_damaged_artifact_is_refused_or_read_but_never_a_crash(data: st.DataObject) -> None:
    content = bytearray((ARTIFACTS / "float.tflite").read_bytes()[: data.draw(st.integers(0, 9000))])
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotAnArtifact):
        contents(bytes(content))


# -------------------------------------------------------------------------------------------------------------- arena
def test_chain_of_layers_needs_its_two_largest_neighbours() -> None:
    chain = [Lifetime(first=i, last=i + 1, size=64 * size) for i, size in enumerate((1, 5, 3, 4, 2))]
    assert arena_bytes(chain) == 64 * (5 + 3)


def test_tensors_of_one_moment_lie_beside_each_other() -> None:
    assert arena_bytes([Lifetime(first=0, last=3, size=64)] * 3) == 3 * 64


def test_no_activations_need_no_memory() -> None:
    assert arena_bytes([]) == 0


LIFETIMES = st.builds(
    lambda first, length, size: Lifetime(first=first, last=first + length, size=size),
    st.integers(0, 20),
    st.integers(0, 10),
    st.integers(1, 4096),
)


@given(st.lists(LIFETIMES, max_size=25))
def test_arena_holds_what_lives_at_once_and_no_more_than_everything(lifetimes: list[Lifetime]) -> None:
    needed = [sum(t.size for t in lifetimes if t.first <= step <= t.last) for step in range(31)]
    everything = sum(-(-t.size // ALIGNMENT) * ALIGNMENT for t in lifetimes)
    assert max(needed, default=0) <= arena_bytes(lifetimes) <= everything
