"""One batch: the traced function of a graph, and what goes into and comes out of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.saliency.attribution import Array, Backward
from harness.saliency.engine.graph import Graph, replay
from harness.saliency.engine.registered import give_back

_NUMBER = itertools.count()
PREDICTED = -1  # as a target: the class with the greatest logit


def first_not_finite(graph: Graph, images: Array) -> str | None:
    """The first step whose output holds NaN or infinity; a later ReLU or maximum may hide it from the logits."""
    import tensorflow as tf

    broken: list[str] = []

    def look(name: str, output: Any) -> Any:
        if not all(np.isfinite(tensor.numpy()).all() for tensor in tf.nest.flatten(output)):
            broken.append(name)
        return output

    replay(graph, tf.constant(images), tap=look)
    return broken[0] if broken else None


def compiled(graph: Graph, shape: tuple[int, ...], layers: tuple[str, ...], wanted: str) -> Any:
    """One traced function: (images, targets) -> logits, targets, input gradient, features, feature gradients.

    Its operations have names of their own: where TensorFlow keeps a sum in a variable for a moment, that is named after
    the operation, and functions that run at the same time must not share it.
    """
    import tensorflow as tf

    scope = f"pass{next(_NUMBER)}"

    def run(images: Any, targets: Any) -> Any:
        with tf.name_scope(scope):
            return passes(images, targets)

    def passes(images: Any, targets: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if wanted == "input":
                tape.watch(images)
            values, features = replay(graph, images, keep=layers, tap=_watcher(tape, layers))
            chosen = tf.where(targets == PREDICTED, tf.argmax(values, axis=1, output_type=tf.int32), targets)
            score = tf.reduce_sum(tf.gather(values, chosen, batch_dims=1))
        if wanted == "logits":
            return values, chosen, values[:0], features, {}
        sources = {"input": images, "layers": features} if wanted == "input" else {"layers": features}
        gradients = tape.gradient(score, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return values, chosen, gradients.get("input", values[:0]), features, gradients["layers"]

    signature = [tf.TensorSpec(shape, tf.float32), tf.TensorSpec(shape[:1], tf.int32)]
    function = tf.function(run, input_signature=signature, autograph=False).get_concrete_function()
    give_back(function)
    return function


def _watcher(tape: Any, layers: tuple[str, ...]) -> Callable[[str, Any], Any]:
    def tap(name: str, output: Any) -> Any:
        if name in layers:
            tape.watch(output)
        return output

    return tap


def padded(values: NDArray[Any], padding: int) -> Any:
    import tensorflow as tf

    return tf.constant(np.concatenate([values, np.repeat(values[-1:], padding, axis=0)]) if padding else values)


def as_numpy(arrays: Any, count: int) -> Any:
    import tensorflow as tf

    return tf.nest.map_structure(lambda tensor: tensor.numpy()[:count], arrays)


def all_finite(result: Backward) -> bool:
    """Features are left out: what is not finite in them reaches the logits or the gradients, or matters to nobody."""
    arrays = (result.logits, result.input_gradient, *result.gradients.values())
    return all(bool(np.isfinite(array).all()) for array in arrays)


def joined(parts: list[Backward]) -> Backward:
    first = parts[0]
    if len(parts) == 1:
        return first
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("images", "logits", "targets", "input_gradient")
    }
    features, gradients = (
        {name: np.concatenate([getattr(part, field)[name] for part in parts]) for name in getattr(first, field)}
        for field in ("features", "gradients")
    )
    return Backward(**arrays, features=features, gradients=gradients)
