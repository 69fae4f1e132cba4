"""The logits of a classifier: its graph without the softmax head, in whichever form the head was written.

Gradients are taken from logits and scores keep the softmax. A head is a softmax as activation of the last Dense or
convolution, as an `Activation` layer, as a `Softmax` layer, or as an operation (`tf.nn.softmax(x)`); after it only
layers that move values around may stand (Reshape, Flatten, Dropout, a linear Activation).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.keras_packages import functions_named, keras_of, operation_name
from harness.saliency.engine.graph import Graph, Step, call_around, identity


def split_softmax(graph: Graph) -> tuple[Graph, bool]:
    """The graph up to the logits, and whether a softmax was taken off."""
    index = _head(graph)
    step = graph.steps[index]
    keras = keras_of(step.layer)
    if isinstance(step.layer, keras.layers.Softmax) or operation_name(step.layer) == "softmax":
        without = replace(step, call=identity)
    elif _is_softmax(getattr(step.layer, "activation", None), step.layer):
        without = replace(step, call=call_around(step, activation=keras.activations.linear))
    else:
        return graph, False
    return replace(graph, steps=(*graph.steps[:index], without, *graph.steps[index + 1 :])), True


def _head(graph: Graph) -> int:
    """Index of the last step that does more than move values."""
    index = len(graph.steps) - 1
    while index > 0 and _only_moves(graph.steps[index]):
        index -= 1
    return index


def _only_moves(step: Step) -> bool:
    keras = keras_of(step.layer)
    if isinstance(step.layer, keras.layers.Activation):
        return step.layer.activation is keras.activations.linear
    return isinstance(step.layer, (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Dropout))


def _is_softmax(activation: Any, layer: Any) -> bool:
    return activation in functions_named(layer, "softmax") or isinstance(activation, keras_of(layer).layers.Softmax)
