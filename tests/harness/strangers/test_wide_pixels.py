"""A model whose own Normalization was adapted to pixels that the training script had divided by 255 before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.keras_packages import keras_package
from tests.harness.strangers.inputs import brightest_quarter, completed, pictures, probabilities


def test_a_model_that_makes_pixels_wider_than_they_are_takes_scaled_ones_and_asks(tmp_path: Path) -> None:
    keras, images = keras_package("keras"), pictures((32, 32, 3))
    layer = keras.layers.Normalization(mean=[0.5] * 3, variance=[0.08] * 3)  # adapted to pixels / 255
    model = brightest_quarter(keras, (32, 32, 3), before=layer)
    path = tmp_path / "mine.keras"
    model.save(path)
    with pytest.raises(ConfigError, match=r"0 to 255 becomes -1.768 to 899.8\): wider than pixels are"):
        completed(path, images)
    expected = np.asarray(model(images.astype(np.float32) / 255, training=False))
    done = completed(path, images, normalization="unit", on_top=True)
    np.testing.assert_allclose(probabilities(done, images), expected, atol=1e-6)
    assert completed(path, images, normalization="none").model.preprocessing["scale"] == [1.0] * 3
