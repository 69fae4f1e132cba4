"""Winograd's convolution: the definition's numbers, whatever the shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.native import winograd


@pytest.fixture(autouse=True, scope="module")
def library() -> None:
    if not winograd.is_available():
        pytest.skip("needs a C++ compiler, or a wheel that carries the library")


def definition(values: np.ndarray, kernel: np.ndarray, before: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A loop over taps, in float64."""
    room = [(0, 0), *((first, length + 3 - first) for first, length in zip(before, size)), (0, 0)]
    padded = np.pad(values.astype(np.float64), room)
    return sum(
        padded[:, i : i + size[0], j : j + size[1]] @ kernel[i, j].astype(np.float64)
        for i in range(3)
        for j in range(3)
    )


@settings(max_examples=60)
@given(
    images=st.integers(1, 3),
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    channels=st.integers(1, 40),
    filters=st.integers(1, 140),
    before=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    more=st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_definition(
    images: int,
    height: int,
    width: int,
    channels: int,
    filters: int,
    before: tuple[int, int],
    more: tuple[int, int],
    threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(images, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels, filters)).astype(np.float32)
    size = (max(1, height + more[0]), max(1, width + more[1]))
    result = winograd.convolve(values, winograd.Kernel(kernel), before=before, size=size, threads=threads)
    expected = definition(values, kernel, before, size)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-5 * max(1, np.abs(expected).max()))


def test_images_much_larger_than_a_block_are_whole() -> None:
    rng = np.random.default_rng(0)
    values, kernel = rng.normal(size=(2, 70, 90, 64)).astype(np.float32), rng.normal(size=(3, 3, 64, 70))
    result = winograd.convolve(values, winograd.Kernel(kernel.astype(np.float32)), before=(1, 1), size=(70, 90))
    expected = definition(values, kernel, (1, 1), (70, 90))
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-5 * np.abs(expected).max())


def test_an_image_does_not_depend_on_what_shares_its_batch() -> None:
    rng = np.random.default_rng(0)
    values, kernel = rng.normal(size=(5, 9, 13, 40)).astype(np.float32), rng.normal(size=(3, 3, 40, 33))
    transformed = winograd.Kernel(kernel.astype(np.float32))
    together = winograd.convolve(values, transformed, before=(1, 1), size=(9, 13), threads=2)
    for image, result in zip(values, together, strict=True):
        alone = winograd.convolve(image[None], transformed, before=(1, 1), size=(9, 13))
        np.testing.assert_array_equal(alone[0], result)


def test_nan_stays_near_its_pixel_and_in_its_image() -> None:
    values = np.ones((2, 12, 12, 32), np.float32)
    values[0, 0, 0, 0] = np.nan
    result = winograd.convolve(
        values, winograd.Kernel(np.ones((3, 3, 32, 32), np.float32)), before=(1, 1), size=(12, 12)
    )
    assert np.isnan(result[0, :2, :2]).all()
    assert np.isfinite(result[0, 4:, 4:]).all()
    assert np.isfinite(result[1]).all()


def test_images_of_other_channels_are_refused() -> None:
    kernel = winograd.Kernel(np.ones((3, 3, 4, 2), np.float32))
    with pytest.raises(ValueError, match=r"expected images \(N, H, W, 4\), got \(1, 8, 8, 3\)"):
        winograd.convolve(np.ones((1, 8, 8, 3), np.float32), kernel, before=(1, 1), size=(8, 8))
