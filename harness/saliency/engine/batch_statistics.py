"""Batch norms that a model calls with training=True: they normalise by the statistics of what they are given.

An image's scores then hang on the other images of its batch, unless it is alone in it, as it is on a board. So each
image is normalised by its own statistics, in whatever batch: that is `model(x)` of this image alone. No moving
statistics change.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.errors import ConfigError


def takes_batch_statistics(layer: Any, *, training: bool) -> bool:
    """Whether a layer in this mode is a batch norm that normalises by its batch; a frozen one never does."""
    return training and bool(layer.trainable) and _is_plain_norm(layer) if hasattr(layer, "trainable") else False


def check_statistics(layer: Any, name: str, shape: tuple[int | None, ...]) -> None:
    """Raises ConfigError where one image has no statistics: a single value of each channel is its own mean."""
    sizes = [shape[axis] for axis in _reduced(layer, len(shape))]
    if None not in sizes and math.prod(sizes) == 1:  # type: ignore[arg-type]  # none is None
        raise ConfigError(
            f'layer "{name}" is a batch norm called with training=True, and a single image has only one value per '
            "channel there, which the norm cancels",
            hint="build the model without training=True in this call, and load the same weights",
        )


def call_by_image(norm: Any) -> Callable[..., Any]:
    """The call of a batch norm, with the statistics of each image alone where it would take those of the batch."""
    import tensorflow as tf

    own = norm.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        training = kwargs.get("training", args[0] if args else None)
        if takes_batch_statistics(norm, training=training is not None and bool(training)):
            return _normalized(norm, inputs)
        return own(inputs, *args, **kwargs)

    unconverted: Callable[..., Any] = tf.autograph.experimental.do_not_convert(call)
    return unconverted


def _normalized(norm: Any, inputs: Any) -> Any:
    import tensorflow as tf

    values = tf.cast(inputs, tf.float32)
    reduced = _reduced(norm, len(inputs.shape))
    mean, variance = tf.nn.moments(values, reduced, keepdims=True)
    shape = [1 if axis in (0, *reduced) else size for axis, size in enumerate(inputs.shape)]
    scale = tf.reshape(tf.convert_to_tensor(norm.gamma), shape) if norm.scale else 1.0
    shift = tf.reshape(tf.convert_to_tensor(norm.beta), shape) if norm.center else 0.0
    return tf.cast((values - mean) * tf.math.rsqrt(variance + norm.epsilon) * scale + shift, inputs.dtype)


def _reduced(norm: Any, rank: int) -> list[int]:
    """The axes, without the batch, over which statistics are taken."""
    kept = {int(axis) % rank for axis in np.atleast_1d(norm.axis)}
    return [axis for axis in range(1, rank) if axis not in kept]


def _is_plain_norm(layer: Any) -> bool:
    """Keras' own batch norm, as far as its call goes."""
    named = any("BatchNormalization" in base.__name__ for base in type(layer).__mro__)
    own = named and type(layer).call.__module__.partition(".")[0] in ("tf_keras", "keras")
    return bool(own and not getattr(layer, "renorm", False) and not getattr(layer, "virtual_batch_size", None))
