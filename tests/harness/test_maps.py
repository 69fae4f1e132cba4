"""From attributions to maps: channels, enlargement, clipping, blankness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.maps import clip_percentile, resize, stretch
from harness.saliency import saliency_map
from harness.saliency.blank import is_blank

VALUES = np.array([[[[1.0, -3.0], [0.5, 0.25]]]], np.float32)  # one image, 1 x 2 pixels, 2 channels


@pytest.mark.parametrize(
    ("channels", "expected"),
    [("max_abs", [3, 0.5]), ("sum_abs", [4, 0.75]), ("mean", [-1, 0.375]), ("sum", [-2, 0.75])],
)
def test_channels_are_reduced_as_named(channels: str, expected: list[float]) -> None:
    np.testing.assert_allclose(saliency_map(VALUES, (1, 2), channels=channels)[0, 0], expected)


def test_unknown_reduction_suggests_one() -> None:
    with pytest.raises(ConfigError, match="max_abs"):
        saliency_map(VALUES, (1, 2), channels="max_aps")


@pytest.mark.parametrize("size", [(7, 7, 224, 224), (3, 5, 20, 31), (1, 2, 4, 4)])
def test_enlarging_equals_tensorflow_half_pixel_bilinear(size: tuple[int, ...]) -> None:
    import tensorflow as tf

    maps = np.random.default_rng(0).normal(size=(2, *size[:2])).astype(np.float32)
    expected = tf.image.resize(maps[..., None], size[2:], method="bilinear")[..., 0]
    np.testing.assert_allclose(resize(maps, (size[2], size[3])), expected, atol=1e-5)


@given(st.floats(-5, 5, width=32), st.integers(1, 6), st.integers(6, 20))
def test_enlarging_keeps_a_constant_constant(value: float, small: int, large: int) -> None:
    enlarged = resize(np.full((1, small, small), value, np.float32), (large, large))
    np.testing.assert_allclose(enlarged, value, rtol=1e-6, atol=1e-30)


def test_clipping_cuts_both_sides_at_the_percentile_of_each_map() -> None:
    maps = np.arange(-100, 101, dtype=np.float32).reshape(1, 3, 67)
    assert np.abs(clip_percentile(maps, 50)).max() == pytest.approx(50, abs=1)


def test_a_constant_map_is_blank_and_stretches_to_zero() -> None:
    maps = np.stack([np.full((2, 2), 0.7), [[0, 1], [2, 3]]]).astype(np.float32)
    np.testing.assert_array_equal(is_blank(maps), [True, False])
    np.testing.assert_allclose(stretch(maps), [[[0, 0], [0, 0]], [[0, 1 / 3], [2 / 3, 1]]], rtol=1e-6)
