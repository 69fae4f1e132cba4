"""`explain` as a library: no environment variable, no Larq, whichever Keras the model is made with."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WITHOUT_LARQ = """
import sys

sys.modules.update(dict.fromkeys(("larq", "larq_zoo", "larq_compute_engine")))
"""
EXPLAIN = """
import numpy as np
from harness.saliency import explain
import PACKAGE as keras

image = keras.Input((12, 12, 3))
x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, padding="same")(image))
x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
for method in ("gradient", "gradcam", "guided_backprop", "occlusion"):
    maps = explain(model, np.random.default_rng(0).random((2, 12, 12, 3)), method)
    assert maps.shape == (2, 12, 12), method
    assert np.isfinite(maps).all(), method
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """The code in a fresh process, as a person starts it who knows nothing of our environment variables."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND")
    }
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_model_of_either_keras_is_explained_without_variables_and_without_larq(package: str) -> None:
    done = run(WITHOUT_LARQ + EXPLAIN.replace("PACKAGE", package))
    assert done.returncode == 0, done.stderr
