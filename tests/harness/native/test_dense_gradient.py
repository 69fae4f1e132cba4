"""Gradients of dense layers: the definition's numbers, whatever the shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.native.dense_gradient import dense_gradient

pytestmark = pytest.mark.usefixtures("floats_library")


@settings(max_examples=60)
@given(
    images=st.integers(1, 9),
    inputs=st.integers(1, 70),
    units=st.integers(1, 90),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_product_with_the_weights_turned(
    images: int, inputs: int, units: int, threads: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    upstream, weights = rng.normal(size=(images, units)), rng.normal(size=(inputs, units))
    result = dense_gradient(upstream.astype(np.float32), weights.astype(np.float32), threads=threads)
    expected = upstream @ weights.T
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def test_an_image_does_not_depend_on_what_shares_its_batch() -> None:
    rng = np.random.default_rng(0)
    upstream, weights = rng.normal(size=(5, 100)).astype(np.float32), rng.normal(size=(33, 100)).astype(np.float32)
    together = dense_gradient(upstream, weights, threads=2)
    for row, result in zip(upstream, together, strict=True):
        np.testing.assert_array_equal(dense_gradient(row[None], weights)[0], result)


def test_nan_stays_in_its_image() -> None:
    upstream = np.ones((2, 40), np.float32)
    upstream[0, 3] = np.nan
    result = np.asarray(dense_gradient(upstream, np.ones((7, 40), np.float32)))
    assert np.isnan(result[0]).all()
    assert (result[1] == 40).all()


def test_weights_of_other_units_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(N, units\) and \(inputs, units\), got \(1, 3\) and \(5, 4\)"):
        dense_gradient(np.ones((1, 3), np.float32), np.ones((5, 4), np.float32))
