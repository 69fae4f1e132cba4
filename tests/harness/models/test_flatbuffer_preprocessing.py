"""What a range of integers and metadata say of pixels, without any file: the table of cases."""

from __future__ import annotations

import numpy as np
import pytest

from converters.metadata import Metadata
from harness.models.declared import NORMALIZATIONS
from harness.models.flatbuffer_preprocessing import Range, contradiction, levels, metadata_against, proposal

NOTHING = Metadata()


def a_range(kind: str, scale: float, zero_point: int) -> Range:
    bounds = np.iinfo(kind)
    return Range(type=kind.upper(), scale=scale, zero_point=zero_point, lowest=int(bounds.min), highest=int(bounds.max))


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point", "preset"),
    [
        ("int8", 2 / 255 * 1.02, -1, "tf"),  # as our own converter widens it
        ("uint8", 1.8 / 255, 142, "tf"),  # of pictures without white
        ("int8", 1 / 255 * 1.01, -128, "unit"),
        ("int8", 0.0186584, -15, "torch"),
        ("uint8", 1.0774, 115, "caffe"),
        ("int16", 1 / 32767, 0, "tf"),
        ("int16", 255 / 32767, 0, "none"),
        ("int16", 2.64 / 32767, 0, "torch"),
    ],
)
def test_a_range_is_that_of_a_preset(kind: str, scale: float, zero_point: int, preset: str) -> None:
    found = proposal(a_range(kind, scale, zero_point), NOTHING, channels=3)
    assert found is not None
    assert found.normalization == NORMALIZATIONS[preset]


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point", "mean"),
    [
        ("uint8", 0.0078125, 128, 128),
        ("int8", 1 / 255, -128, 0),
        ("int8", 1.0, -128, 0),
        ("uint8", 1.0, 0, 0),
        ("int8", 4 / 255, 0, 128),  # -2 to 2: no preset, and one step for each pixel value
        ("uint8", 1 / 255, 128, 128),  # -0.5 to 0.5
        ("int8", 1.0, 0, 128),
    ],
)
def test_a_range_with_a_step_for_each_pixel_value_keeps_its_steps(
    kind: str, scale: float, zero_point: int, mean: int
) -> None:
    values = a_range(kind, scale, zero_point)
    found = proposal(values, NOTHING, channels=3)
    assert found is not None
    assert (found.normalization.mean, found.normalization.scale) == ((mean,), (scale,))
    integers = levels(found.normalization)[:, 0] / scale + zero_point
    assert np.allclose(integers, np.arange(256) + values.lowest)


def test_a_preset_of_three_channels_is_none_of_greys() -> None:
    found = proposal(a_range("int8", 0.0186584, -15), NOTHING, channels=1)
    assert found is not None
    assert len(found.normalization.mean) == 1


def test_a_wide_integer_of_which_no_preset_is_known_is_left_to_the_person() -> None:
    assert proposal(a_range("int16", 128 / 32767, 0), NOTHING, channels=3) is None
    said = Metadata(mean=(128.0,), std=(1.0,))
    found = proposal(a_range("int16", 128 / 32767, 0), said, channels=3)
    assert found is not None
    assert found.normalization.mean == (128.0,)


def test_metadata_settles_what_an_int16_range_leaves_open() -> None:
    """-1 to 1 is the range of pixels / 255 as well, of which there is no lower half."""
    found = proposal(a_range("int16", 1 / 32767, 0), Metadata(mean=(0.0,), std=(255.0,)), channels=3)
    assert found is not None
    assert np.allclose(levels(found.normalization)[[0, 255], 0], [0, 1])
    assert "as its metadata says" in found.why


def test_metadata_against_the_range_is_told() -> None:
    values = a_range("int8", 1.0, -128)
    assert metadata_against(values, Metadata(mean=(127.5,), std=(127.5,))) == "makes -1 to 1 of pixels"
    assert metadata_against(values, Metadata(mean=(0.0,), std=(1.0,))) == ""
    assert metadata_against(None, Metadata(mean=(0.0,), std=(1.0,))) == ""


@pytest.mark.parametrize(("preset", "is_against"), [("tf", False), ("none", True), ("unit", True), ("caffe", True)])
def test_what_a_range_cannot_hold_contradicts_it(preset: str, is_against: bool) -> None:
    assert bool(contradiction(a_range("int8", 2 / 255, -1), levels(NORMALIZATIONS[preset]))) is is_against
