"""The preprocessing arithmetic, against numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.preprocessing import TIE, dequantize, preprocess, quantized

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


@given(st.integers(0, 3), st.integers(1, 4), st.integers(1, 5), st.sampled_from(["rgb", "bgr"]), st.integers(1, 4))
def test_each_value_is_two_float32_operations_whatever_the_shape(
    count: int, height: int, width: int, order: str, channels: int
) -> None:
    random = np.random.default_rng(channels)
    images = random.integers(0, 256, (count, height, width, channels), np.uint8)
    mean, scale = random.random(channels) * 200, random.random(channels)
    record = {"height": height, "width": width, "channel_order": order, "mean": list(mean), "scale": list(scale)}
    ordered = images[..., ::-1] if order == "bgr" else images
    expected = (ordered.astype(np.float32) - mean.astype(np.float32)) * scale.astype(np.float32)
    assert preprocess(images, record).tobytes() == expected.tobytes()
    out = np.full(images.shape, np.nan, np.float32)
    assert preprocess(images, record, out=out) is out
    assert out.tobytes() == expected.tobytes()


def test_grey_images_have_one_mean() -> None:
    record = {"height": 2, "width": 2, "channel_order": "rgb", "mean": [0.0], "scale": [1 / 255]}
    assert preprocess(np.full((1, 2, 2, 1), 255, np.uint8), record).max() == pytest.approx(1.0)


@pytest.mark.parametrize("images", [np.zeros((1, 2, 1, 3), np.uint8), np.zeros((1, 1, 1, 3), np.float32)])
def test_images_of_another_size_or_type_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        preprocess(images, RECORD)


ALL_PIXELS = np.arange(256, dtype=np.uint8)[:, None]  # as 256 images of one pixel
RECORDS: dict[str, tuple[str, list[float], list[float]]] = {
    "minus one to one": ("rgb", [127.5] * 3, [1 / 127.5] * 3),
    "caffe": ("bgr", [103.939, 116.779, 123.68], [1.0] * 3),
    "torch": ("rgb", [123.675, 116.28, 103.53], [1 / 58.395, 1 / 57.12, 1 / 57.375]),
    "unit": ("rgb", [0.0] * 3, [1 / 255] * 3),
    "raw": ("rgb", [0.0] * 3, [1.0] * 3),
    "grey": ("rgb", [127.5], [1 / 127.5]),
    "four channels, one turned": ("rgb", [127.5, 128, 127, 0.5], [1 / 127.5, 1 / 128, -1 / 127, 0.01]),
}
INPUTS = [("int8", 2 / 255, -1), ("int8", 2 / 255, 0), ("int8", 2 / 254, 0), ("uint8", 2 / 255, 128), ("int8", 1, -128)]
INPUTS += [("int16", 1 / 32767, 0), ("int8", 1.0774156862745097, -13), ("int8", 0.018658446784827466, -14)]


def one_pixel(order: str, mean: list[float], scale: list[float]) -> dict[str, Any]:
    return {"height": 1, "width": 1, "channel_order": order, "mean": mean, "scale": scale}


def all_integers(record: dict[str, Any], **input: Any) -> np.ndarray:
    """(256, C), by `quantized`."""
    images = np.repeat(ALL_PIXELS, len(record["mean"]), axis=1).reshape(256, 1, 1, -1)
    return quantized(images, record, **input).reshape(256, -1)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize(("dtype", "scale", "zero_point"), INPUTS)
def test_each_pixel_value_becomes_its_nearest_integer_and_the_upper_one_halfway(
    name: str, dtype: str, scale: float, zero_point: int
) -> None:
    """By decimal fractions of 60 digits, which hold the differences of doubles that matter here."""
    stored, bounds = float(np.float32(scale)), np.iinfo(dtype)
    record = one_pixel(*RECORDS[name])
    integers = all_integers(record, dtype=np.dtype(dtype), scale=stored, zero_point=zero_point)
    assert integers.dtype == dtype
    with localcontext(prec=60):
        halfway = Decimal("0.5") + Decimal(float(TIE))
        for channel, (mean, factor) in enumerate(zip(record["mean"], record["scale"])):
            for pixel in range(256):
                exact = (pixel - Decimal(mean)) * Decimal(factor) / Decimal(stored) + zero_point
                above = int(integers[pixel, channel]) - exact
                if not bounds.min <= exact <= bounds.max:
                    assert integers[pixel, channel] == (bounds.min if exact < 0 else bounds.max)
                elif integers[pixel, channel] < bounds.max:
                    assert halfway - 1 < above <= halfway


def test_pixels_that_all_lie_halfway_go_up_and_stay_apart() -> None:
    record = one_pixel(*RECORDS["minus one to one"])
    integers = all_integers(record, dtype=np.dtype(np.int8), scale=float(np.float32(2 / 255)), zero_point=-1)
    assert (integers == ALL_PIXELS.astype(int) - 128).all()


def test_what_is_outside_of_the_type_is_clipped() -> None:
    record = one_pixel("rgb", [0.0], [1.0])
    assert all_integers(record, dtype=np.dtype(np.int8), scale=1.0, zero_point=0)[:, 0].tolist() == [
        *range(128),
        *[127] * 128,
    ]


def test_channels_of_bgr_are_turned_before_they_are_looked_up() -> None:
    record = one_pixel("bgr", [0.0, 10.0, 20.0], [1.0, 1.0, 1.0])
    image = np.array([[[[50, 60, 70]]]], np.uint8)
    integers = quantized(image, record, dtype=np.dtype(np.uint8), scale=1.0, zero_point=0)
    assert integers.tolist() == [[[[70, 50, 30]]]]
    assert integers.flags.c_contiguous


def test_images_of_another_size_are_refused_for_integers_too() -> None:
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        quantized(np.zeros((1, 2, 1, 3), np.uint8), RECORD, dtype=np.dtype(np.int8), scale=1.0, zero_point=0)


@given(st.floats(0, 255), st.floats(1e-3, 1), st.floats(0.5, 4), st.integers(-128, 127))
def test_no_order_of_float_operations_decides_what_a_pixel_becomes(
    mean: float, factor: float, steps: float, zero_point: int
) -> None:
    """Away from ties, floats agree with the table; the last bit of each input moves nothing."""
    scale = np.float32(factor / steps)
    record = one_pixel("rgb", [mean], [factor])
    expected = all_integers(record, dtype=np.dtype(np.int8), scale=float(scale), zero_point=zero_point)[:, 0]
    exact = (np.arange(256) - mean) * factor / float(scale)
    clear = np.abs(exact - np.floor(exact) - 0.5) > float(TIE)
    values = preprocess(ALL_PIXELS.reshape(256, 1, 1, 1), record).reshape(256)
    for moved in (values, np.nextafter(values, np.float32(np.inf)), np.nextafter(values, np.float32(-np.inf))):
        for divided in (moved / scale, moved * (np.float32(1) / scale)):
            for rounded in (np.round(divided), np.sign(divided) * np.floor(np.abs(divided) + np.float32(0.5))):
                integers = np.clip(rounded + zero_point, -128, 127)
                assert (integers == expected)[clear].all()


@given(st.integers(-128, 127), st.floats(1e-4, 1e3), st.integers(-128, 127))
def test_dequantizing_gives_the_distance_to_the_zero_point_in_steps(stored: int, scale: float, zero_point: int) -> None:
    values = dequantize(np.array([stored], np.int8), scale=scale, zero_point=zero_point)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [(stored - zero_point) * scale], rtol=1e-6)
