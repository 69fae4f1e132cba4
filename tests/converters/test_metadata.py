"""Metadata that tflite-support packed is read, and what is damaged or made to do harm says nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.metadata import Metadata, metadata
from tests.harness.strangers.tflite_files import METADATA, with_metadata

FLATBUFFER = (Path(__file__).parents[1] / "device" / "artifacts" / "float.tflite").read_bytes()
LABELS = ("north", "east", "south, or so", "west")


def test_a_file_without_metadata_says_nothing() -> None:
    assert metadata(FLATBUFFER) == Metadata()


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [("tf", (127.5,), (127.5,)), ("torch", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))],
)
def test_what_tflite_support_packed_is_read(name: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    found = metadata(with_metadata(FLATBUFFER, METADATA[name], LABELS))
    assert np.allclose(found.mean, mean)
    assert np.allclose(found.std, std)
    assert found.labels == LABELS


def test_labels_that_are_not_there_are_none() -> None:
    content = with_metadata(FLATBUFFER, METADATA["tf"], LABELS)
    cut = content[: content.rindex(b"PK\x03\x04")] if b"PK\x03\x04" in content else content
    assert metadata(cut).labels == ()
    assert metadata(cut).mean == (127.5,)


@pytest.mark.parametrize("odd", [0, -127.5, np.nan, np.inf])
def test_a_division_by_what_is_no_width_is_no_normalization(odd: float) -> None:
    packed = METADATA["tf"].replace(np.float32(127.5).tobytes(), np.float32(odd).tobytes())
    assert metadata(with_metadata(FLATBUFFER, packed, LABELS)).std == ()


@given(at=st.integers(0, len(METADATA["torch"]) - 1), byte=st.integers(0, 255))
def test_a_damaged_byte_ends_in_no_exception(at: int, byte: int) -> None:
    packed = bytearray(METADATA["torch"])
    packed[at] = byte
    found = metadata(with_metadata(FLATBUFFER, bytes(packed), LABELS))
    assert len(found.mean) <= len(packed)
