"""The preprocessing arithmetic, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.preprocessing import dequantize, preprocess, quantize

RECORD = {"height": 1, "width": 1, "channel_order": "rgb", "mean": [1.0, 2.0, 3.0], "scale": [1.0, 0.5, 2.0]}


def test_mean_is_subtracted_before_scaling() -> None:
    image = np.array([[[[10, 20, 30]]]], np.uint8)
    assert preprocess(image, RECORD).tolist() == [[[[9.0, 9.0, 54.0]]]]


def test_bgr_swaps_channels_before_mean_and_scale() -> None:
    image = np.array([[[[10, 20, 30]]]], np.uint8)
    assert preprocess(image, {**RECORD, "channel_order": "bgr"}).tolist() == [[[[29.0, 9.0, 14.0]]]]


def test_result_is_contiguous_float32() -> None:
    result = preprocess(np.zeros((2, 1, 1, 3), np.uint8), {**RECORD, "channel_order": "bgr"})
    assert result.dtype == np.float32
    assert result.flags.c_contiguous


def test_grey_images_have_one_mean() -> None:
    record = {"height": 2, "width": 2, "channel_order": "rgb", "mean": [0.0], "scale": [1 / 255]}
    assert preprocess(np.full((1, 2, 2, 1), 255, np.uint8), record).max() == pytest.approx(1.0)


@pytest.mark.parametrize("images", [np.zeros((1, 2, 1, 3), np.uint8), np.zeros((1, 1, 1, 3), np.float32)])
def test_images_of_another_size_or_type_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        preprocess(images, RECORD)


def test_quantizing_rounds_half_to_even_and_clips() -> None:
    values = np.array([-1000.0, 0.25, 0.75, 1000.0], np.float32)
    assert quantize(values, dtype=np.int8, scale=0.5, zero_point=1).tolist() == [-128, 1, 3, 127]


@given(st.integers(-128, 127), st.floats(1e-4, 1e3), st.integers(-128, 127))
def test_quantizing_what_was_dequantized_gives_it_back(stored: int, scale: float, zero_point: int) -> None:
    values = dequantize(np.array([stored], np.int8), scale=scale, zero_point=zero_point)
    assert quantize(values, dtype=np.int8, scale=scale, zero_point=zero_point).tolist() == [stored]
