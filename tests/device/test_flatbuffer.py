"""Reading operators out of flatbuffers, and cutting them, against files made by TensorFlow and LCE."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from converters import schema
from device import flatbuffer

ARTIFACTS = Path(__file__).parent / "artifacts"
LCE = (ARTIFACTS / "lce.tflite").read_bytes()


def test_custom_operators_of_a_binarized_artifact_are_those_of_lce() -> None:
    assert flatbuffer.custom_operators(str(ARTIFACTS / "lce.tflite")) == ["LceBconv2d", "LceQuantize"]


@pytest.mark.parametrize("name", ["float", "int8"])
def test_artifacts_of_builtin_operators_need_no_custom_ones(name: str) -> None:
    assert flatbuffer.custom_operators(str(ARTIFACTS / f"{name}.tflite")) == []


def test_operators_are_listed_in_the_order_in_which_they_run() -> None:
    operators = flatbuffer.operators((ARTIFACTS / "float.tflite").read_bytes())
    names = [schema.builtin_name(operator.builtin) for operator in operators]
    assert names == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert [operator.custom for operator in flatbuffer.operators(LCE)][2:4] == ["LceQuantize", "LceBconv2d"]


def test_a_prefix_has_so_many_operators_and_ends_in_the_last_ones_output() -> None:
    whole = flatbuffer.operators(LCE)
    cut = flatbuffer.prefix(LCE, 2)
    assert flatbuffer.operators(cut) == whole[:2]
    assert len(cut) == len(LCE)


@pytest.mark.parametrize("count", [-1, 0, 100])
def test_a_prefix_longer_than_the_file_or_empty_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"from 1 to the file's {len(flatbuffer.operators(LCE))}, got {count}"):
        flatbuffer.prefix(LCE, count)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x18\0\0\0TFL3", b"\x18\0\0\0XXXX" + bytes(100)])
def test_what_is_not_a_flatbuffer_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a valid TFLite flatbuffer"):
        flatbuffer.operators(content)


@settings(max_examples=300)
@given(st.integers(0, len(LCE) - 4), st.binary(min_size=1, max_size=4), st.integers(8, len(LCE)))
@example(at=412, bytes_=b"\0", end=len(LCE))  # leaves a graph of no operators
def test_a_damaged_file_is_read_or_refused_but_never_crashes(at: int, bytes_: bytes, end: int) -> None:
    damaged = (LCE[:at] + bytes_ + LCE[at + len(bytes_) :])[:end]
    with contextlib.suppress(ValueError):  # ValueError and nothing else
        flatbuffer.prefix(damaged, max(1, len(flatbuffer.operators(damaged))))
