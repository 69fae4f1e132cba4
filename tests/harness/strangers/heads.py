"""Models of strangers with all sorts of heads over logits that are known in closed form. No test lives here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SHAPE = (6, 6, 3)
RANDOM = np.random.default_rng(17)
WEIGHTS = {n: RANDOM.normal(0, 0.3, (108, n)).astype(np.float32) for n in (1, 2, 3)}
IMAGES = RANDOM.uniform(-1, 1, (4, *SHAPE)).astype(np.float32)


def logits(images: np.ndarray, columns: int) -> np.ndarray:
    """(N, columns) of every model here."""
    values: np.ndarray = images.reshape(len(images), -1).astype(np.float64) @ WEIGHTS[columns]
    return values


def model_with(head: Callable[[Any, Any], Any], columns: int = 3, *, keras: Any = None) -> Any:
    """The model head(keras, Flatten() of the image), which makes its logits with `dense`; Keras 2 by default."""
    import tf_keras

    keras = keras or tf_keras
    image = keras.Input(SHAPE)
    model = keras.Model(image, head(keras, keras.layers.Flatten()(image)))
    layer = model.get_layer("logits")
    layer.set_weights([WEIGHTS[columns].reshape(layer.kernel.shape)])
    return model


def dense(keras: Any, x: Any, columns: int = 3, activation: Any = None) -> Any:
    return keras.layers.Dense(columns, activation=activation, use_bias=False, name="logits")(x)


def _tf() -> Any:
    import tensorflow as tf

    return tf


def _softmax_by_hand(keras: Any, x: Any) -> Any:
    tf = _tf()
    powers = tf.exp(dense(keras, x))
    return powers / tf.reduce_sum(powers, axis=1, keepdims=True)


def _stable_softmax_by_hand(keras: Any, x: Any) -> Any:
    tf = _tf()
    z = dense(keras, x)
    powers = tf.exp(z - tf.reduce_max(z, axis=1, keepdims=True))
    return powers / tf.reduce_sum(powers, axis=1, keepdims=True)


# Softmaxes in the forms of strangers' models: (keras, flat image) -> outputs, all of the same logits.
SOFTMAXES: dict[str, Callable[[Any, Any], Any]] = {
    "the last layer": lambda keras, x: dense(keras, x, activation="softmax"),
    "followed by identity": lambda keras, x: _tf().identity(dense(keras, x, activation="softmax")),
    "followed by a cast": lambda keras, x: _tf().cast(dense(keras, x, activation="softmax"), "float32") * 1.0,
    "cast to halves and back": lambda keras, x: _tf().cast(
        _tf().cast(dense(keras, x, activation="softmax"), "float16"), "float32"
    ),
    "clipped": lambda keras, x: _tf().clip_by_value(dense(keras, x, activation="softmax"), 1e-7, 1 - 1e-7),
    "clipped hard": lambda keras, x: _tf().clip_by_value(keras.layers.Softmax()(dense(keras, x)), 5e-3, 0.995),
    "exp over sum": _softmax_by_hand,
    "exp over sum, less the maximum": _stable_softmax_by_hand,
    "exp of log-softmax": lambda keras, x: _tf().exp(_tf().nn.log_softmax(dense(keras, x))),
    "a convolution on one pixel": lambda keras, x: keras.layers.Lambda(lambda y: y * 1.0)(
        keras.layers.Flatten()(
            keras.layers.Conv2D(3, 1, use_bias=False, activation="softmax", name="logits")(
                keras.layers.Reshape((1, 1, 108))(x)
            )
        )
    ),
    "times 100": lambda keras, x: keras.layers.Rescaling(100)(dense(keras, x, activation="softmax")),
    "as bytes": lambda keras, x: _tf().round(255 * dense(keras, x, activation="softmax")),
    "log-softmax": lambda keras, x: dense(keras, x, activation=_tf().nn.log_softmax),
    "no softmax": dense,
}

# Heads that are no softmax: (keras, flat image) -> outputs; how many columns; the kind; and what it makes of logits.
OTHERS: dict[str, tuple[Callable[[Any, Any], Any], int, str]] = {
    "a sigmoid": (lambda keras, x: dense(keras, x, 1, "sigmoid"), 1, "probability"),
    "a sigmoid layer, clipped": (
        lambda keras, x: _tf().clip_by_value(keras.layers.Activation("sigmoid")(dense(keras, x, 1)), 1e-6, 1 - 1e-6),
        1,
        "probability",
    ),
    "a sigmoid by hand": (lambda keras, x: 1 / (1 + _tf().exp(-dense(keras, x, 1))), 1, "probability"),
    "one logit": (lambda keras, x: dense(keras, x, 1), 1, "logit"),
    "three sigmoids": (lambda keras, x: dense(keras, x, 3, "sigmoid"), 3, "independent-probabilities"),
    "three sigmoids, cast": (
        lambda keras, x: _tf().cast(_tf().cast(dense(keras, x, 3, "sigmoid"), "float16"), "float32"),
        3,
        "independent-probabilities",
    ),
}
