"""`explain` as a library: no environment variable, no Larq, whichever Keras the model is made with."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WITHOUT_LARQ = """
import sys

class NoLarq:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("larq", "larq_zoo", "larq_compute_engine"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoLarq())
"""
EXPLAIN = """
import numpy as np
from harness.saliency import METHODS, explain
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


def test_file_of_keras_3_is_read_without_larq_and_one_of_larq_says_what_to_install(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("files")
    made = run(f"""
from harness import keras_packages
keras_packages.set_up()
import keras, tf_keras, larq
def model(package, convolution):
    image = package.Input((12, 12, 3))
    return package.Model(image, package.layers.Dense(3)(package.layers.Flatten()(convolution(image))))
model(keras, keras.layers.Conv2D(2, 3)).save("{folder}/mine.keras")
model(tf_keras, tf_keras.layers.Conv2D(2, 3)).save("{folder}/mine.h5")
model(tf_keras, larq.layers.QuantConv2D(2, 3, input_quantizer="ste_sign")).save("{folder}/larq.h5")
""")
    assert made.returncode == 0, made.stderr
    read = (
        WITHOUT_LARQ
        + f"""
from pathlib import Path
from harness import keras_packages
keras_packages.set_up()
from harness.errors import ConfigError
from harness.models.lookup import FileOptions, open_file
for name in ("mine.keras", "mine.h5"):
    assert open_file(Path("{folder}") / name, FileOptions())[1].output_shape == (None, 3)
try:
    open_file(Path("{folder}/larq.h5"), FileOptions())
except ConfigError as error:
    assert "binarized models need Larq, which is not installed\\n  try: pip install larq" in str(error), error
else:
    raise AssertionError("a file of Larq was read without Larq")
"""
    )
    done = run(read)
    assert done.returncode == 0, done.stderr
