"""What follows a classifier's logits: how its outputs come of them, and how a graph is made to end in logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.keras_packages import keras_of
from harness.outputs import ONE_COLUMN, probabilities
from harness.saliency.attribution import Array
from harness.saliency.engine.graph import Graph, Slot, Step, replay

LEAST = 1e-30  # of a probability: its logarithm is finite, and so is the gradient
LEAST_BESIDE_ONE = 6e-8  # of what a probability is less than 1: float32 has nothing smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a model's outputs are, and where its logits are.

    kind      of the outputs, as in `harness.outputs`.
    graph     up to the logits (N, classes); where outputs have one column, the logits of both classes, (-z, z).
    returned  logits to what the model returns, (N, columns).
    note      what a reader of maps must know of these logits; "" where there is nothing.
    """

    kind: str
    graph: Graph
    returned: Callable[[Array], Array]
    note: str = ""

    def scores(self, logits: Array) -> Array:
        """(N, classes) probabilities."""
        return np.asarray(probabilities(self.returned(logits), self.kind), np.float32)


def as_it_is(values: Array) -> Array:
    return values


def with_logits(kind: str, graph: Graph, returned: Callable[[Array], Array], *, note: str = "") -> Head:
    """The head of a graph that ends in the logits of each column."""
    if kind not in ONE_COLUMN:
        return Head(kind=kind, graph=graph, returned=returned, note=note)
    both = appended(graph, _of_both, columns=2, name="both classes", activation="linear")
    return Head(kind=kind, graph=both, returned=lambda logits: returned(logits[:, 1:]), note=note)


def up_to(graph: Graph, tensor: int, *, columns: int) -> Graph:
    """The graph that ends in this tensor, as (N, columns)."""
    last = next(i for i, step in enumerate(graph.steps) if tensor in step.outputs)
    short = Graph(steps=graph.steps[: last + 1], input=graph.input, output=tensor)
    if len(graph.steps[last].shape) == 2:
        return short
    return appended(short, _in_rows(columns), columns=columns, name="in rows", activation="linear")


def after(graph: Graph, tensor: int) -> Callable[[Array], Array] | None:
    """(N, columns) values of this tensor to the graph's outputs; None where they depend on other tensors as well."""
    last = next(i for i, step in enumerate(graph.steps) if tensor in step.outputs)
    rest, known = graph.steps[last + 1 :], {tensor}
    for step in rest:
        if not known.issuperset(step.inputs):
            return None
        known.update(step.outputs)
    tail = Graph(steps=rest, input=tensor, output=graph.output)
    shape = tuple(int(size or 0) for size in graph.steps[last].shape[1:])

    def returned(values: Array) -> Array:
        import tensorflow as tf

        outputs, _ = replay(tail, tf.constant(np.reshape(values, (len(values), *shape))))
        return np.asarray(outputs, np.float32)

    return returned


def inverse(kind: str, graph: Graph) -> Head:
    """The head of a graph whose logits stand nowhere: they are computed of its outputs."""
    columns = int(graph.steps[-1].shape[-1] or 0)
    if kind == "log-probabilities":
        return with_logits(kind, graph, as_it_is, note="gradients are those of its outputs, log-probabilities")
    if kind in ("probability", "independent-probabilities"):
        logits = appended(graph, _log_odds, columns=columns, name="log odds", activation="sigmoid")
        return with_logits(kind, logits, _sigmoid, note="gradients are those of log(p / (1 - p)) of its outputs p")
    logarithms = appended(graph, _logarithms, columns=columns, name="logarithms", activation="exponential")
    return with_logits(kind, logarithms, np.exp, note="gradients are those of the logarithms of its outputs")


def appended(graph: Graph, call: Callable[[Any], Any], *, columns: int, name: str, activation: str) -> Graph:
    """The graph with one more step: its call, under a layer that says of what kind it is."""
    last = graph.steps[-1]
    layer = keras_of(last.layer).layers.Activation(activation)
    tensor = 1 + max(number for step in graph.steps for number in (*step.inputs, *step.outputs))
    step = Step(
        name=name,
        layer=layer,
        call=call,
        args=(Slot(graph.output),),
        kwargs={},
        inputs=(graph.output,),
        outputs=(tensor,),
        shape=(None, columns),
    )
    return replace(graph, steps=(*graph.steps, step), output=tensor)


def _in_rows(columns: int) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda values: tf.reshape(values, (-1, columns))


def _of_both(logit: Any) -> Any:
    """The logits of a class and of its absence."""
    import tensorflow as tf

    return tf.concat([-logit, logit], axis=1)


def _log_odds(chances: Any) -> Any:
    import tensorflow as tf

    return tf.math.log(tf.maximum(chances, LEAST)) - tf.math.log(tf.maximum(1 - chances, LEAST_BESIDE_ONE))


def _logarithms(values: Any) -> Any:
    import tensorflow as tf

    return tf.math.log(tf.maximum(values, LEAST))


def _sigmoid(logits: Array) -> Array:
    from scipy.special import expit

    return np.asarray(expit(logits), np.float32)
