"""The host's own convolutions of floats: the definition's numbers, whatever the shape."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.native import float_convolution
from harness.native.float_convolution import Kernel
from harness.native.norm import Norm

MAPS = ["gate", "more", "opened", "bias", "norm", "is_rectified"]

pytestmark = pytest.mark.usefixtures("floats_library")


def convolve(values: np.ndarray, kernel: Kernel, **options: Any) -> np.ndarray:
    return np.asarray(float_convolution.convolve(values, kernel, **options))


def definition(values: np.ndarray, kernel: np.ndarray, before: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A loop over taps, in float64."""
    room = [(0, 0), *((first, length + 3 - first) for first, length in zip(before, size)), (0, 0)]
    padded = np.pad(values.astype(np.float64), room)
    taps = range(len(kernel))
    return sum(
        padded[:, i : i + size[0], j : j + size[1]] @ kernel[i, j].astype(np.float64) for i in taps for j in taps
    )


def drawn(
    rng: np.random.Generator, names: set[str], of_values: tuple[int, ...], of_result: tuple[int, ...]
) -> dict[str, Any]:
    filters = of_result[-1:]
    shapes = {"gate": of_values, "more": of_result, "opened": of_result, "bias": filters}
    given = {name: rng.normal(size=shapes[name]).astype(np.float32) for name in sorted(names & shapes.keys())}
    norm = Norm(*rng.uniform(0.5, 2, (4, *filters)).astype(np.float32))
    return given | ({"norm": norm} if "norm" in names else {}) | {"is_rectified": "is_rectified" in names}


def gated(values: np.ndarray, gate: np.ndarray | None = None, **others: Any) -> np.ndarray:
    return values if gate is None else np.where(gate > 0, values, 0)


def finished(
    products: np.ndarray,
    *,
    is_rectified: bool,
    bias: np.ndarray | None = None,
    norm: Norm | None = None,
    more: np.ndarray | None = None,
    opened: np.ndarray | None = None,
    **others: Any,
) -> np.ndarray:
    total = products if bias is None else products + bias
    total = total if norm is None else (total - norm.mean) * norm.inverse * norm.scale + norm.shift
    total = total if more is None else total + more
    total = total if opened is None else np.where(opened > 0, total, 0)
    return np.maximum(total, 0) if is_rectified else total


@settings(max_examples=60)
@given(
    images=st.integers(1, 3),
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    channels=st.integers(1, 40),
    filters=st.integers(1, 140),
    before=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    more=st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
    maps=st.sets(st.sampled_from(MAPS)),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_three_taps_are_the_definition(
    images: int,
    height: int,
    width: int,
    channels: int,
    filters: int,
    before: tuple[int, int],
    more: tuple[int, int],
    maps: set[str],
    threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(images, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels, filters)).astype(np.float32)
    size = (max(1, height + more[0]), max(1, width + more[1]))
    given = drawn(rng, maps, values.shape, (images, *size, filters))
    result = convolve(values, Kernel(kernel), before=before, size=size, threads=threads, **given)
    expected = finished(definition(gated(values, **given), kernel, before, size), **given)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-5 * max(1, np.abs(expected).max()))


@settings(max_examples=60)
@given(
    images=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 40),
    filters=st.one_of(st.integers(1, 140), st.just(64), st.just(128)),  # some are whole panels
    step=st.integers(1, 3),
    less=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    maps=st.sets(st.sampled_from(MAPS)),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_tap_is_a_product_of_every_pixel_with_zeros_between_them(
    images: int,
    height: int,
    width: int,
    channels: int,
    filters: int,
    step: int,
    less: tuple[int, int],
    maps: set[str],
    threads: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(images, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(1, 1, channels, filters)).astype(np.float32)
    size = (height * step - min(less[0], step - 1), width * step - min(less[1], step - 1))
    given = drawn(rng, maps, values.shape, (images, *size, filters))
    result = convolve(values, Kernel(kernel), before=(0, 0), size=size, step=step, threads=threads, **given)
    products = np.zeros((images, *size, filters))
    products[:, ::step, ::step] = gated(values, **given) @ kernel[0, 0]
    expected = finished(products, **given)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 40),
    filters=st.one_of(st.integers(1, 140), st.just(64)),
    stride=st.integers(1, 3),
    maps=st.sets(st.sampled_from(MAPS)),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_tap_may_pass_over_pixels(
    size: tuple[int, int], channels: int, filters: int, stride: int, maps: set[str], threads: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, *size, channels)).astype(np.float32)
    kernel = rng.normal(size=(1, 1, channels, filters)).astype(np.float32)
    visited = values[:, ::stride, ::stride]
    given = drawn(rng, maps, values.shape, (*visited.shape[:3], filters))
    result = convolve(
        values, Kernel(kernel), before=(0, 0), size=visited.shape[1:3], stride=stride, threads=threads, **given
    )
    expected = finished(gated(values, **given)[:, ::stride, ::stride] @ kernel[0, 0], **given)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("filters", [33, 64])
def test_nan_passes_the_relu_at_the_end(filters: int) -> None:
    values = -np.ones((1, 3, 4, 8), np.float32)
    values[0, 1, 2, 3] = np.nan
    kernel = Kernel(np.ones((1, 1, 8, filters), np.float32))
    result = convolve(values, kernel, before=(0, 0), size=(3, 4), is_rectified=True)
    assert np.isnan(result[0, 1, 2]).all()
    assert (np.delete(result.reshape(12, filters), 6, axis=0) == 0).all()


@pytest.mark.parametrize(("before", "size"), [((0, 0), (4, 7)), ((1, 0), (6, 7)), ((0, 2), (5, 9)), ((0, 0), (6, 8))])
def test_one_tap_may_be_asked_for_more_or_fewer_pixels(before: tuple[int, int], size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    values, kernel = rng.normal(size=(2, 5, 7, 8)).astype(np.float32), rng.normal(size=(1, 1, 8, 64))
    result = convolve(values, Kernel(kernel.astype(np.float32)), before=before, size=size)
    expected = definition(values, kernel, before, size)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_gate_that_is_nan_is_shut() -> None:
    values, gate = np.ones((1, 4, 4, 32), np.float32), np.ones((1, 4, 4, 32), np.float32)
    gate[0, 1, 2] = np.nan
    result = convolve(values, Kernel(np.ones((1, 1, 32, 64), np.float32)), before=(0, 0), size=(4, 4), gate=gate)
    assert (result[0, 1, 2] == 0).all()
    assert (np.delete(result.reshape(16, 64), 6, axis=0) == 32).all()


@pytest.mark.parametrize("filters", [60, 64])
def test_maps_too_large_for_a_near_cache_are_the_definition(filters: int) -> None:
    rng = np.random.default_rng(0)
    values, gate = rng.normal(size=(2, 1, 130, 70, 64)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 64, filters)).astype(np.float32)
    assert values[0].size > 2**19, "not far"
    result = convolve(values, Kernel(kernel), before=(1, 1), size=(130, 70), gate=gate, threads=2)
    expected = definition(np.where(gate > 0, values, 0), kernel, (1, 1), (130, 70))
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-5 * np.abs(expected).max())


def test_images_much_larger_than_a_block_are_whole() -> None:
    rng = np.random.default_rng(0)
    values, kernel = rng.normal(size=(2, 70, 90, 64)).astype(np.float32), rng.normal(size=(3, 3, 64, 70))
    result = convolve(values, Kernel(kernel.astype(np.float32)), before=(1, 1), size=(70, 90))
    expected = definition(values, kernel, (1, 1), (70, 90))
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-5 * np.abs(expected).max())


def test_an_image_does_not_depend_on_what_shares_its_batch() -> None:
    rng = np.random.default_rng(0)
    values, kernel = rng.normal(size=(5, 9, 13, 40)).astype(np.float32), rng.normal(size=(3, 3, 40, 33))
    transformed = Kernel(kernel.astype(np.float32))
    together = convolve(values, transformed, before=(1, 1), size=(9, 13), threads=2)
    for image, result in zip(values, together, strict=True):
        alone = convolve(image[None], transformed, before=(1, 1), size=(9, 13))
        np.testing.assert_array_equal(alone[0], result)


def test_nan_stays_near_its_pixel_and_in_its_image() -> None:
    values = np.ones((2, 12, 12, 32), np.float32)
    values[0, 0, 0, 0] = np.nan
    result = convolve(values, Kernel(np.ones((3, 3, 32, 32), np.float32)), before=(1, 1), size=(12, 12))
    assert np.isnan(result[0, :2, :2]).all()
    assert np.isfinite(result[0, 4:, 4:]).all()
    assert np.isfinite(result[1]).all()


def test_images_of_other_channels_are_refused() -> None:
    kernel = Kernel(np.ones((3, 3, 4, 2), np.float32))
    with pytest.raises(ValueError, match=r"expected images \(N, H, W, 4\), got \(1, 8, 8, 3\)"):
        convolve(np.ones((1, 8, 8, 3), np.float32), kernel, before=(1, 1), size=(8, 8))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gate", (1, 8, 8, 4)), ("more", (1, 7, 8, 2)), ("opened", (1, 7, 8, 2)), ("bias", (2,))],
)
def test_a_map_of_another_shape_is_refused(name: str, expected: tuple[int, ...]) -> None:
    values, kernel = np.ones((1, 8, 8, 4), np.float32), Kernel(np.ones((3, 3, 4, 2), np.float32))
    with pytest.raises(ValueError, match=re.escape(f"{name}: expected the shape {expected}, got (1, 8, 8, 3)")):
        convolve(values, kernel, before=(1, 1), size=(7, 8), **{name: np.ones((1, 8, 8, 3), np.float32)})


@pytest.mark.parametrize("options", [{"step": 2}, {"stride": 2}])
def test_three_taps_that_pass_over_pixels_are_refused(options: dict[str, int]) -> None:
    values, kernel = np.ones((1, 8, 8, 4), np.float32), Kernel(np.ones((3, 3, 4, 2), np.float32))
    with pytest.raises(ValueError, match="are for one tap, not for 3"):
        convolve(values, kernel, before=(1, 1), size=(8, 8), **options)


def test_what_is_added_may_lend_its_memory_to_the_result() -> None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    values, more = (rng.normal(size=(2, 5, 7, channels)).astype(np.float32) for channels in (8, 64))
    kernel = rng.normal(size=(1, 1, 8, 64)).astype(np.float32)
    transformed, options = Kernel(kernel), {"before": (0, 0), "size": (5, 7)}

    @tf.function(autograph=False)
    def sums(values: Any, more: Any) -> Any:
        read_again = 3 * more
        added = (2 * more, read_again)
        return *(float_convolution.convolve(values, transformed, more=each, **options) for each in added), read_again

    products = definition(values, kernel, (0, 0), (5, 7))
    for result, expected in zip(sums(values, more), (products + 2 * more, products + 3 * more, 3 * more), strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("taps", [1, 3])
def test_what_is_convolved_is_never_written_over(taps: int) -> None:
    """Nobody else reads it, and it is as large as the result and larger than a block."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    values, kernel = rng.normal(size=(2, 70, 90, 64)).astype(np.float32), rng.normal(size=(taps, taps, 64, 64))
    transformed, before = Kernel(kernel.astype(np.float32)), (taps // 2, taps // 2)

    @tf.function(autograph=False)
    def doubled(values: Any) -> Any:
        return float_convolution.convolve(2 * values, transformed, before=before, size=(70, 90))

    expected = definition(2 * values, kernel, before, (70, 90))
    np.testing.assert_allclose(doubled(values), expected, rtol=0, atol=3e-5 * np.abs(expected).max())


def test_calls_at_a_time_share_their_threads() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(8, 1, 20, 30, 40)).astype(np.float32)
    kernel = Kernel(rng.normal(size=(3, 3, 40, 70)).astype(np.float32))
    options: dict[str, Any] = {"before": (1, 1), "size": (20, 30)}
    alone = [convolve(each, kernel, **options) for each in values]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: convolve(each, kernel, threads=2, **options), values))
    np.testing.assert_array_equal(together, alone)
