"""Small binarized models as quantization-aware training leaves them: fake quantization around full-precision layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.converters.rewriting.small_models import conv, dense, image, keras, norm

HIGH = 4.0  # ranges are (-HIGH, HIGH)
STEP = 2 * HIGH / 255


def ranged(x: Any, *, num_bits: int = 8) -> Any:
    import tensorflow as tf

    class Ranges(tf.keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(x, -HIGH, HIGH, num_bits=num_bits)

    return Ranges()(x)


def float_convolution(x: Any, filters: int = 32) -> Any:
    """With a kernel that has a range for each output channel."""
    import tensorflow as tf

    highs = np.linspace(0.3, 0.6, filters).astype(np.float32)

    class Convolution(tf.keras.layers.Conv2D):
        def call(self, x: Any) -> Any:
            kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                self.kernel, -highs, highs, narrow_range=True
            )
            return tf.nn.bias_add(tf.nn.conv2d(x, kernel, self.strides, "SAME"), self.bias)

    return ranged(Convolution(filters, 3)(x))


def binary_block(x: Any, **changed: Any) -> Any:
    return ranged(norm()(conv(**changed)(x)))


def model(start: Any, x: Any) -> Any:
    import tensorflow as tf

    return tf.keras.Model(start, ranged(keras().GlobalAveragePooling2D()(x)))


def residual(**changed: Any) -> Any:
    start = image()
    x = float_convolution(ranged(start))
    for _ in range(2):
        x = ranged(keras().Add()([x, binary_block(x, **changed)]))
    return model(start, ranged(keras().ReLU()(x)))


def pooled() -> Any:
    start = image()
    x = ranged(keras().MaxPooling2D()(binary_block(ranged(start))))
    return model(start, binary_block(x, filters=16))


def bits_in_between() -> Any:
    start = image()
    x = norm()(conv()(binary_block(ranged(start))))
    return model(start, binary_block(x))


def dense_layer() -> Any:
    import tensorflow as tf

    start = image()
    x = keras().Flatten()(binary_block(ranged(start)))
    return tf.keras.Model(start, ranged(dense(8)(x)))


MODELS: dict[str, Callable[[], Any]] = {
    "residual": residual,
    "residual, zero padding": lambda: residual(pad_values=0),
    "pooled": pooled,
    "bits in between": bits_in_between,
    "dense": dense_layer,
}
