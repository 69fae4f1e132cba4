"""SAME padding: TensorFlow is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.rewriting.geometry import Axis

SMALL = st.integers(1, 12)


@given(size=SMALL, kernel=st.integers(1, 5), stride=st.integers(1, 4), dilation=st.integers(1, 3))
def test_a_same_convolution_is_a_valid_one_of_the_padded_image(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    tf = pytest.importorskip("tensorflow")
    if stride > 1 and dilation > 1:  # TensorFlow has no such convolution
        dilation = 1
    axis = Axis(size, kernel, stride, dilation)
    image, weights = np.random.rand(1, size, 1).astype(np.float32), np.random.rand(kernel, 1, 1).astype(np.float32)
    expected = tf.nn.conv1d(image, weights, stride, "SAME", dilations=dilation).numpy()
    padded = np.pad(image, ((0, 0), axis.same_padding, (0, 0)))
    assert axis.outputs == expected.shape[1]
    np.testing.assert_allclose(
        tf.nn.conv1d(padded, weights, stride, "VALID", dilations=dilation).numpy(), expected, rtol=1e-5
    )
