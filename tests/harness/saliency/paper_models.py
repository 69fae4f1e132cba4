"""The paper's ten models with random weights, as small as their architecture allows, and images for them."""

from __future__ import annotations

from typing import Any

import numpy as np

FULL_PRECISION = ("EfficientNetB0", "MobileNet", "MobileNetV2", "VGG16", "ResNet50")
BINARIZED = ("QuickNet", "BinaryAlexNet", "BinaryResNetE18", "MeliusNet22", "RealToBinaryNet")
TEN = FULL_PRECISION + BINARIZED


def build(name: str, *, size: int = 96, seed: int = 0) -> Any:
    """A model with random weights and a 1,000-class softmax head."""
    import larq_zoo as lqz
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    home = (
        tf.keras.applications if name in FULL_PRECISION else (lqz.sota if hasattr(lqz.sota, name) else lqz.literature)
    )
    return getattr(home, name)(weights=None, input_shape=(size, size, 3))


def images(count: int, *, size: int = 96, name: str = "", seed: int = 0) -> np.ndarray:
    """Smooth random images, preprocessed roughly as the model expects: EfficientNet rescales by itself."""
    from harness.maps import resize

    coarse = np.random.default_rng(seed).uniform(-1, 1, (count * 3, 12, 12)).astype(np.float32)
    smooth = np.moveaxis(resize(coarse, (size, size)).reshape(count, 3, size, size), 1, -1)
    return np.ascontiguousarray(127.5 * (smooth + 1) if name == "EfficientNetB0" else smooth, np.float32)


def without_softmax(model: Any) -> Any:
    """The model cut at its logits by hand, for peers that cannot do it."""
    import tensorflow as tf

    last = model.layers[-1]
    if not isinstance(last, tf.keras.layers.Dense):
        return tf.keras.Model(model.input, last.input)
    dense = tf.keras.layers.Dense(last.units, name="logits")
    outputs = dense(last.input)
    dense.set_weights(last.get_weights())
    return tf.keras.Model(model.input, outputs)


def scaled(logits: Any, factor: float) -> Any:
    """The model with its logits multiplied."""
    import tensorflow as tf

    return tf.keras.Model(logits.input, tf.keras.layers.Rescaling(factor)(logits.output))
