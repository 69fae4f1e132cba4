"""Pixels as a judge meets them: those that a board makes, byte for byte, with and without the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.perturbation import perturbed
from device.preprocessing import preprocess
from harness.native import floats
from harness.native.judged_pixels import Preprocessing, between, smallest_ranks


@pytest.fixture(params=["library", "numpy"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(floats, "is_available", lambda: False)
    elif not floats.is_available():
        pytest.skip("needs a C++ compiler, or a wheel that carries the library")


def on_the_way(start: np.ndarray, end: np.ndarray, ranks: np.ndarray, step: int) -> np.ndarray:
    out = np.full((*ranks.shape, start.shape[-1]), 77, np.uint8)
    between(start, end, smallest_ranks(ranks, start.shape[-1]), step, out)
    return out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.integers(1, 4),
    colour=st.sampled_from(["none", "start", "end"]),
    part=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_images_on_the_way_are_those_of_a_board(
    size: tuple[int, int], channels: int, colour: str, part: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    start, end = rng.integers(0, 256, (2, *size, channels)).astype(np.uint8)
    start, end = (each[:1, :1] if colour == name else each for name, each in (("start", start), ("end", end)))
    ranks = rng.permutation(size[0] * size[1]).reshape(size)
    step = round(part * ranks.size)
    np.testing.assert_array_equal(on_the_way(start, end, ranks, step), perturbed(start, end, ranks, [step])[0])


@pytest.mark.parametrize("size", [(255, 257), (256, 256), (300, 250)])
def test_as_many_pixels_as_small_ranks_can_tell_apart_and_more(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    start, end = rng.integers(0, 256, (2, *size, 3)).astype(np.uint8)
    ranks = rng.permutation(size[0] * size[1]).reshape(size)
    for step in (0, 1, 65535, ranks.size - 1, ranks.size):
        np.testing.assert_array_equal(on_the_way(start, end, ranks, step), perturbed(start, end, ranks, [step])[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.integers(0, 3),
    size=st.tuples(st.integers(1, 9), st.integers(1, 40)),
    channels=st.integers(1, 4),
    order=st.sampled_from(["rgb", "bgr"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_floats_are_those_of_a_board(images: int, size: tuple[int, int], channels: int, order: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (images, *size, channels)).astype(np.uint8)
    mean, scale = rng.uniform(0, 255, channels), rng.uniform(0, 0.1, channels)
    record: dict[str, Any] = {
        "height": size[0],
        "width": size[1],
        "channel_order": order,
        "mean": list(mean),
        "scale": list(scale),
    }
    out = np.full(pixels.shape, np.nan, np.float32)
    Preprocessing(record)(pixels, out)
    assert out.tobytes() == preprocess(pixels, record).tobytes()


def test_other_images_and_places_are_refused() -> None:
    scale = Preprocessing({"height": 2, "width": 3, "channel_order": "rgb", "mean": [0.0], "scale": [1.0]})
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        scale(np.zeros((1, 3, 3, 1), np.uint8), np.zeros((1, 3, 3, 1), np.float32))
    with pytest.raises(ValueError, match=r"expected contiguous floats|cannot reshape|broadcast"):
        scale(np.zeros((1, 2, 3, 1), np.uint8), np.zeros((1, 3, 3, 1), np.float32))
