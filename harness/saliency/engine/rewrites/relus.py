"""The guided backward rule: a ReLU passes a gradient only where both its input and the gradient are positive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.errors import ConfigError
from harness.keras_packages import functions_named, keras_of, operation_name
from harness.saliency.engine.graph import Graph, Step, call_around


def guided(graph: Graph) -> Graph:
    """The graph with guided ReLUs, wherever a ReLU is written: a layer, an activation, an operation.

    Raises ConfigError for a model without any ReLU, for which the rule says nothing.
    """
    steps = tuple(_guided(step) for step in graph.steps)
    if all(new is old for new, old in zip(steps, graph.steps, strict=True)):
        raise ConfigError(
            "guided_backprop: the method is defined only for ReLUs, and the model has none",
            hint="gradient or smoothgrad",
        )
    return replace(graph, steps=steps)


def is_relu(function: Any, layer: Any) -> bool:
    """Whether a layer, or an activation of it, is a plain ReLU or one that saturates, such as ReLU6."""
    if isinstance(function, keras_of(layer).layers.ReLU):
        return not function.negative_slope and not function.threshold
    return function in functions_named(layer, "relu", "relu6")


def _guided(step: Step) -> Step:
    """A ReLU layer or operation keeps its call and gets another gradient; an activation is replaced."""
    if is_relu(step.layer, step.layer) or operation_name(step.layer) in ("relu", "relu6"):
        return replace(step, call=_guide(step.call))
    activation = getattr(step.layer, "activation", None)
    if activation is not None and is_relu(activation, step.layer):
        return replace(step, call=call_around(step, activation=_guide(activation)))
    return step


def _guide(relu: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    def call(values: Any, *args: Any, **kwargs: Any) -> Any:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def guided_relu(x: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = relu(x, *args, **kwargs)
            return y, lambda dy: tape.gradient(y, x, output_gradients=tf.nn.relu(dy))

        return guided_relu(values)

    return call
