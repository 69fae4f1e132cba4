"""Dense layers whose weights outweigh what they compute: going back, TensorFlow reads them half as fast as it could.
The same products are added up in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.keras_packages import keras_of
from harness.native import floats
from harness.native.dense_gradient import dense_gradient
from harness.saliency.engine.graph import Step, call_around, with_backward
from harness.saliency.engine.rewrites.convolutions import has_plain_kernel

LEAST_WEIGHTS = 2**20  # fewer stay in a cache


def suits_rows(step: Step) -> bool:
    """Whether a step is a dense layer of one row for each image, with weights enough."""
    layer = step.layer
    if type(layer) is not keras_of(layer).layers.Dense or not step.is_original or not has_plain_kernel(layer):
        return False
    return len(step.shape) == 2 and int(np.prod(layer.kernel.shape)) >= LEAST_WEIGHTS and floats.is_available()


def by_rows_of_weights(step: Step, *, threads: int) -> Callable[..., Any]:
    """The step's call with another backward pass."""
    import tensorflow as tf

    layer = step.layer
    linear = call_around(step, activation=keras_of(layer).activations.linear)

    def call(values: Any, *args: Any, **kwargs: Any) -> Any:
        weights = tf.convert_to_tensor(layer.kernel)  # while tracing: a norm may have been folded into them

        def backward(upstream: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
            return dense_gradient(upstream, weights, threads=threads)

        return layer.activation(with_backward(linear, backward)(values, *args, **kwargs))

    return call
