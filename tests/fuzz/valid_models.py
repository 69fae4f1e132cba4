"""The valid model files that are changed: one model of every kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BASES = ("keras2.keras", "keras2.h5", "keras3.keras", "keras3.h5", "larq.h5", "larq.keras", "exported", "folder")


def make_bases(folder: Path) -> None:
    """One model of every kind of file."""
    import keras
    import larq
    import tensorflow as tf
    import tf_keras

    def model(package: Any) -> Any:
        layers = package.layers
        image = package.Input((12, 12, 3), name="image")
        x = layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")(image)
        x = layers.Add()([layers.BatchNormalization()(x), x])
        inner = package.Sequential([package.Input((10, 10, 4)), layers.Conv2D(4, 1)], name="inner")
        x = inner(x)
        x = x * 2.0 if package is keras else tf.nn.relu(x) * 2.0
        x = layers.GlobalAveragePooling2D()(x)
        return package.Model(image, layers.Dense(3, activation="softmax")(x))

    image = tf_keras.Input((12, 12, 3))
    x = larq.layers.QuantConv2D(4, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign")(image)
    binary = tf_keras.Model(image, tf_keras.layers.Dense(3)(tf_keras.layers.Flatten()(x)))
    for name, made in (("keras2", model(tf_keras)), ("keras3", model(keras)), ("larq", binary)):
        made.save(folder / f"{name}.keras")
        made.save(folder / f"{name}.h5")
    model(keras).export(str(folder / "exported"), verbose=False)
    model(tf_keras).save(folder / "folder")
