"""The faster judge of full-precision models, against the Keras model whose floats it runs."""

from __future__ import annotations

import numpy as np
import pytest
import tf_keras

from device.preprocessing import preprocess
from harness.models.xnnpack import XnnpackModel

RECORD = {"height": 12, "width": 12, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}


@pytest.fixture(scope="module")
def model() -> tf_keras.Model:
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [layers.Input((12, 12, 3)), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(4)]
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [1, 7])
def test_scores_are_the_keras_models_and_belong_to_their_images(
    model: tf_keras.Model, threads: int, count: int
) -> None:
    images = np.random.default_rng(count).integers(0, 256, (count, 12, 12, 3)).astype(np.uint8)
    scores = XnnpackModel(model, RECORD, threads=threads)(images)
    assert np.allclose(scores, model(preprocess(images, RECORD)), atol=1e-5)
