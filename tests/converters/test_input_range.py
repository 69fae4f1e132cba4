"""The range of an int8 input: no pixel value in the middle between two steps, and as little lost as can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters import input_range
from converters.input_range import chosen_range
from device import preprocessing

PIXELS = np.arange(256.0)


def levels(mean: list[float], scale: list[float]) -> np.ndarray:
    return (PIXELS[:, None] - np.array(mean)) * np.array(scale)


def chosen(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """(scale, zero point), as the quantizer computes them of float32 ranges."""
    low, high = (float(np.float32(end)) for end in chosen_range(values, low, high))
    scale = (high - low) / 255
    zero_point = -128 - low / scale
    assert zero_point == pytest.approx(round(zero_point), abs=1e-4)
    return scale, float(round(zero_point))


def nearest_to_the_middle(values: np.ndarray, scale: float, zero_point: float) -> float:
    """The least distance in steps of a value that is not clipped to the middle between two steps."""
    steps = (values / scale + zero_point).ravel()
    steps = steps[(steps > -128) & (steps < 127)]
    return float(np.abs(steps - np.floor(steps) - 0.5).min())


def lost(values: np.ndarray, scale: float, zero_point: float) -> float:
    restored = (np.clip(np.round(values / scale + zero_point), -128, 127) - zero_point) * scale
    return float(np.sqrt(np.mean((restored - values) ** 2)))


def test_both_sides_mean_the_same_by_the_middle() -> None:
    assert float(preprocessing.TIE) == input_range.TIE


def test_pixels_from_minus_one_to_one_lose_half_of_what_they_lost() -> None:
    values = levels([127.5] * 3, [1 / 127.5] * 3)
    assert nearest_to_the_middle(values, 2 / 255, -1) == pytest.approx(0)
    scale, zero_point = chosen(values, -1.0, 1.0)
    assert nearest_to_the_middle(values, scale, zero_point) > input_range.TIE
    assert 2 / 255 < scale < 1.02 * 2 / 255
    assert lost(values, scale, zero_point) < 0.51 * lost(values, 2 / 255, -1)


@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (0, 1 / 255), (128, 1 / 128), (127, 1 / 127)])
def test_nothing_is_lost_where_steps_can_be_pixel_values(mean: float, scale: float) -> None:
    values = levels([mean], [scale])
    assert lost(values, *chosen(values, values.min(), values.max())) == pytest.approx(0, abs=1e-6 * scale)


def test_calibration_images_that_miss_the_brightest_pixels_by_little_do_not_stretch_the_steps() -> None:
    assert chosen(levels([0], [1]), 0.0, 252.0) == (1.0, -128)


def test_dark_images_keep_finer_steps_than_one_pixel_value() -> None:
    values = levels([127.5], [1 / 127.5])
    scale, zero_point = chosen(values, -1.0, values[30, 0])
    assert lost(values[:31], scale, zero_point) == pytest.approx(0, abs=1e-6)
    assert scale == pytest.approx(1 / 255)


def test_a_range_that_calibration_found_empty_becomes_that_of_the_pixels() -> None:
    assert chosen(levels([0], [1]), 0.0, 0.0) == (1.0, -128)


CHANNEL = st.tuples(st.floats(0, 255), st.floats(0.5, 2))


@settings(max_examples=40)
@given(st.lists(CHANNEL, min_size=1, max_size=4), st.floats(0.002, 1))
def test_no_pixel_value_of_any_preprocessing_is_left_in_the_middle(
    channels: list[tuple[float, float]], scale: float
) -> None:
    values = levels([mean for mean, _ in channels], [scale * factor for _, factor in channels])
    low, high = min(0.0, values.min()), max(0.0, values.max())
    step, zero_point = chosen(values, low, high)
    assert nearest_to_the_middle(values, step, zero_point) > input_range.TIE
    assert step <= 1.021 * (high - low) / 255
