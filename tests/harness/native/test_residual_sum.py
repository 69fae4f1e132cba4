"""Sums of two maps with the norms before and the ReLU after: NumPy's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.native.norm import Norm
from harness.native.residual_sum import Term, residual_sum

pytestmark = pytest.mark.usefixtures("floats_library")


def term_of(rng: np.random.Generator, shape: tuple[int, ...], *, normed: bool) -> tuple[Term, np.ndarray]:
    """A term, and what it adds, in float64."""
    values = rng.normal(size=shape).astype(np.float32)
    if not normed:
        return Term(values), values.astype(np.float64)
    mean, scale, shift = rng.normal(size=(3, shape[-1])).astype(np.float32)
    inverse = rng.uniform(0.5, 2, shape[-1]).astype(np.float32)
    exact = (values.astype(np.float64) - mean) * inverse * scale + shift
    return Term(values, Norm(mean=mean, inverse=inverse, scale=scale, shift=shift)), exact


@settings(max_examples=60)
@given(
    images=st.integers(1, 3),
    pixels=st.integers(1, 40),
    channels=st.sampled_from([16, 32, 48, 256]),
    normed=st.tuples(st.booleans(), st.booleans()),
    is_rectified=st.booleans(),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_sum_of_both_terms(
    images: int, pixels: int, channels: int, normed: tuple[bool, bool], is_rectified: bool, threads: int, seed: int
) -> None:
    rng, shape = np.random.default_rng(seed), (images, 1, pixels, channels)
    (left, of_left), (right, of_right) = (term_of(rng, shape, normed=each) for each in normed)
    result = np.asarray(residual_sum(left, right, is_rectified=is_rectified, threads=threads))
    expected = of_left + of_right
    assert result.shape == shape
    np.testing.assert_allclose(result, np.maximum(expected, 0) if is_rectified else expected, rtol=0, atol=2e-5)


def test_nan_passes_the_relu() -> None:
    values = np.zeros((1, 1, 2, 16), np.float32)
    values[0, 0, 1, 3] = np.nan
    result = np.asarray(residual_sum(Term(values), Term(np.ones_like(values)), is_rectified=True))
    assert np.isnan(result[0, 0, 1, 3])
    assert np.nansum(result) == 31


@pytest.mark.parametrize(("left", "right"), [((1, 2, 3, 16), (1, 2, 2, 16)), ((1, 2, 3, 20), (1, 2, 3, 20))])
def test_other_maps_are_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected two maps of a multiple of 16 channels, got"):
        residual_sum(*(Term(np.zeros(shape, np.float32)) for shape in (left, right)), is_rectified=False)
