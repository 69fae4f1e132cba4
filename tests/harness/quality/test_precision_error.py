"""What a precision does to maps: nothing to equal ones, and what cannot be compared is said."""

from __future__ import annotations

import numpy as np
import pytest

from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge
from harness.quality.precision_error import precision_error

RNG = np.random.default_rng(0)
MAPS = RNG.random((2, 8, 8)).astype(np.float32)
IMAGES = RNG.integers(1, 256, (2, 8, 8, 1)).astype(np.uint8)


def mean_brightness(images: np.ndarray) -> np.ndarray:
    bright = images.mean(axis=(1, 2, 3), dtype=np.float32)[:, None] / 255
    return np.concatenate([bright, 1 - bright], axis=1)


def inputs() -> MetricInputs:
    return MetricInputs(
        images=IMAGES, targets=np.zeros(2, np.int64), keys=("a", "b"), judge=FloatJudge(mean_brightness)
    )


def test_equal_maps_have_no_error() -> None:
    error = precision_error(MAPS, MAPS, inputs())
    assert (error.images, error.insertion_difference) == (2, 0.0)
    assert error.correlation == pytest.approx(1)


def test_the_least_correlation_counts_and_the_mean_of_the_differences() -> None:
    error = precision_error(np.stack([MAPS[0], -MAPS[1]]), MAPS, inputs())
    assert error.correlation == pytest.approx(-1)
    assert error.insertion_difference not in (None, 0.0)
    assert error.sentence("bfloat16").startswith("bfloat16 against float32, 2 images: least correlation -1.0000, mean")


def test_blank_maps_have_nothing_to_compare() -> None:
    error = precision_error(np.zeros_like(MAPS), np.zeros_like(MAPS), inputs())
    assert (error.correlation, error.insertion_difference) == (None, None)
    assert error.sentence("bfloat16") == "bfloat16 against float32, 2 images: no map to correlate"
