"""Small models whose attributions are known by hand, and closed forms in NumPy. No test lives here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def linear_model(weights: np.ndarray, bias: np.ndarray | None = None, *, head: str = "none") -> Any:
    """logit[c] = sum(x * weights[..., c]) + bias[c]; weights (H, W, C, classes).

    head  how a softmax follows: "none" | "dense" | "activation" | "softmax" | "operation".
    """
    import tensorflow as tf

    *shape, classes = weights.shape
    inputs = tf.keras.Input(shape)
    dense = tf.keras.layers.Dense(classes, activation="softmax" if head == "dense" else None)
    outputs = dense(tf.keras.layers.Flatten()(inputs))
    if head == "activation":
        outputs = tf.keras.layers.Activation("softmax")(outputs)
    elif head == "softmax":
        outputs = tf.keras.layers.Softmax()(outputs)
    elif head == "operation":
        outputs = tf.nn.softmax(outputs)
    dense.set_weights([weights.reshape(-1, classes), np.zeros(classes) if bias is None else bias])
    return tf.keras.Model(inputs, outputs)


def relu_model(kernel: np.ndarray, bias: np.ndarray, readout: np.ndarray) -> Any:
    """logit[c] = sum over pixels and k of readout[k, c] * relu(x . kernel[:, k] + bias[k]), at every pixel alone."""
    import tensorflow as tf

    inputs = tf.keras.Input((None, None, kernel.shape[0]))
    convolution = tf.keras.layers.Conv2D(kernel.shape[1], 1, name="features")
    rectified = tf.keras.layers.ReLU(name="rectified")(convolution(inputs))
    dense = tf.keras.layers.Dense(readout.shape[1], use_bias=False)
    outputs = dense(tf.keras.layers.Lambda(lambda x: tf.reduce_sum(x, axis=(1, 2)), name="sum")(rectified))
    convolution.set_weights([kernel[None, None], bias])
    dense.set_weights([readout])
    return tf.keras.Model(inputs, outputs)


def relu_model_gradient(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, readout: np.ndarray, target: int
) -> np.ndarray:
    """d logit[target] / dx of `relu_model`, by hand."""
    open_gate = (x @ kernel + bias > 0).astype(x.dtype)
    return (open_gate * readout[:, target]) @ kernel.T


def feature_model(channels: int, weights: np.ndarray, *, size: tuple[int, int]) -> Any:
    """Features are the input's own channels ("features"); logit[c] = mean over pixels of features @ weights[:, c].

    A class activation map of "features" is then known: every gradient is weights[k, c] / (h * w).
    """
    import tensorflow as tf

    inputs = tf.keras.Input((*size, channels))
    features = tf.keras.layers.Conv2D(channels, 1, use_bias=False, name="features")
    pooled = tf.keras.layers.GlobalAveragePooling2D()(features(inputs))
    dense = tf.keras.layers.Dense(weights.shape[1], use_bias=False)
    outputs = dense(pooled)
    features.set_weights([np.eye(channels)[None, None]])
    dense.set_weights([weights])
    return tf.keras.Model(inputs, outputs)


def quantized_model(quantizer: Any, readout: np.ndarray) -> Any:
    """logit[c] = sum(readout[..., c] * quantizer(x)); readout (H, W, C, classes)."""
    import tensorflow as tf

    *shape, classes = readout.shape
    inputs = tf.keras.Input(shape)
    dense = tf.keras.layers.Dense(classes, use_bias=False)
    outputs = dense(tf.keras.layers.Flatten()(tf.keras.layers.Activation(quantizer)(inputs)))
    dense.set_weights([readout.reshape(-1, classes)])
    return tf.keras.Model(inputs, outputs)


# d estimate / dx of each straight-through estimator of sign(x), from the papers' formulas.
STRAIGHT_THROUGH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ste_sign": lambda x: (np.abs(x) <= 1).astype(float),
    "ste_identity": np.ones_like,
    "approx_sign": lambda x: np.where(np.abs(x) <= 1, 2 - 2 * np.abs(x), 0),
    "swish_sign": lambda x: 5 * (2 - 5 * x * np.tanh(2.5 * x)) / (1 + np.cosh(5 * x)),
}


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two arrays, flattened."""
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])
