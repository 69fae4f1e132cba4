"""A convolution of signs, called directly: the definition's integers, whatever the shape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.native.sign_convolution import SignConvolution, is_available
from tests.device.lce_ops import oracle


@pytest.fixture(autouse=True, scope="module")
def operators() -> None:
    if not is_available():
        pytest.skip("needs the LCE operators: a C++ compiler, or a wheel that carries them")


def sizes(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(sizes(low, high), sizes(low, high))


@settings(max_examples=80)
@given(
    images=sizes(1, 3),
    size=pairs(1, 11),
    channels=sizes(1, 70),
    window=pairs(1, 4),
    filters=sizes(1, 40),
    strides=pairs(1, 3),
    dilations=pairs(1, 2),
    padding=st.sampled_from(["same", "valid"]),
    pad_value=sizes(0, 1),
    threads=sizes(1, 2),
    seed=sizes(0, 2**32 - 1),
)
def test_sums_are_those_of_the_definition(
    images: int,
    size: tuple[int, int],
    channels: int,
    window: tuple[int, int],
    filters: int,
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: str,
    pad_value: int,
    threads: int,
    seed: int,
) -> None:
    extents = [(taps - 1) * dilation + 1 for taps, dilation in zip(window, dilations, strict=True)]
    assume(padding == "same" or all(extent <= length for extent, length in zip(extents, size, strict=True)))
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.5, -0.0, 0.0, 1e-30, 2.0], (images, *size, channels)).astype(np.float32)
    kernel = rng.choice([-1, 1], (*window, channels, filters)).astype(np.float32)
    definition = oracle.Conv(
        inputs=values < 0,
        weights=(kernel < 0).transpose(3, 0, 1, 2),
        stride=strides,
        dilation=dilations,
        same=padding == "same",
        pad_value=pad_value,
    )
    convolution = SignConvolution(
        values.shape,
        kernel,
        strides=strides,
        dilations=dilations,
        padding=padding,
        pad_value=pad_value,
        threads=threads,
    )
    for _ in range(2):  # state left by the first run must not matter
        np.testing.assert_array_equal(convolution(values), definition.sums())


def test_nan_in_an_image_is_nan_in_what_becomes_of_it_alone() -> None:
    values = np.ones((3, 4, 4, 5), np.float32)
    values[1, 2, 3, 4] = np.nan
    sums = np.asarray(SignConvolution(values.shape, np.ones((2, 2, 5, 3), np.float32))(values))
    assert np.isnan(sums[1]).all()
    assert (sums[[0, 2]] == 2 * 2 * 5).all()


def test_two_that_differ_in_their_kernel_alone_are_two() -> None:
    values, kernel = np.ones((2, 4, 4, 5), np.float32), np.ones((2, 2, 5, 3), np.float32)
    for sign in (1, -1):
        assert (np.asarray(SignConvolution(values.shape, sign * kernel)(values)) == sign * 20).all()


def test_several_calls_at_a_time_do_not_meet() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(8, 2, 20, 30, 40)).astype(np.float32)
    kernel = rng.choice([-1, 1], (3, 3, 40, 70)).astype(np.float32)
    alone = [np.asarray(SignConvolution(values[0].shape, kernel)(each)) for each in values]
    convolution = SignConvolution(values[0].shape, kernel)
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(convolution, values)), alone)


@pytest.mark.parametrize(
    ("kernel", "pad_value", "words"),
    [
        (np.zeros((2, 2, 3, 4), np.float32), 0, r"expected a kernel \(h, w, 3, filters\) of \+1 and -1"),
        (np.ones((2, 2, 5, 4), np.float32), 0, r"got shape \(2, 2, 5, 4\)"),
        (np.ones((2, 2, 3, 4), np.float32), 2, "a padding of 0 or 1"),
        (np.ones((9, 2, 3, 4), np.float32), 0, r"the filter is larger than the image"),
    ],
)
def test_what_cannot_be_counted_is_refused(kernel: np.ndarray, pad_value: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SignConvolution((1, 8, 8, 3), kernel, pad_value=pad_value)


def test_values_of_another_shape_are_refused() -> None:
    convolution = SignConvolution((1, 8, 8, 3), np.ones((2, 2, 3, 4), np.float32))
    with pytest.raises(ConfigError, match=r"expected values of shape \(1, 8, 8, 3\), got \(2, 8, 8, 3\)"):
        convolution(np.ones((2, 8, 8, 3), np.float32))
