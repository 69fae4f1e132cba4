"""Where a classifier's logits are: plainly before a softmax at its end, or found by value.

Gradients are taken from logits and scores keep the head. A softmax that is the last layer is taken off as the graph is
read, as activation of the last Dense or convolution, as an `Activation` or `Softmax` layer, or as an operation; after
it only layers that move values around may stand. Any other head is looked at with the first images: the logits are the
first tensor of which a softmax (or a sigmoid, by the kind of the outputs) is what the model returns, whatever the head
is made of. The first, since later ones may be the same logits less their maximum, whose gradient is another.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.keras_packages import functions_named, keras_of, operation_name
from harness.output_evidence import probes
from harness.outputs import LOGITS, PROBABILITIES, found
from harness.saliency.attribution import Array
from harness.saliency.engine.graph import Graph, Slot, Step, call_around, identity, replay
from harness.saliency.engine.head import Head, after, as_it_is, inverse, up_to, with_logits

Values = NDArray[np.float64]
SAME = 5e-3  # of the range of the outputs: half floats and 256 steps round to that
ROUNDING = 4 * float(np.finfo(np.float32).eps)
IMAGES = 2  # that heads are compared on, beside the probes
_ACTIVATION = ": activation"  # of a layer, as a step by itself
AS_THEY_ARE = (LOGITS, "independent-logits", "logit")  # outputs that are the logits


def recognised(graph: Graph, declared: str, *, name: str) -> Head | None:
    """The head of a graph that plainly ends in a softmax over several classes; None for any other."""
    without = _without_softmax(graph)
    if without is None or graph.steps[-1].shape[-1] == 1:
        return None
    if declared not in ("", PROBABILITIES):
        raise ConfigError(
            f'model "{name}": output = "{declared}" is contradicted by its last layer, a softmax',
            hint=f'output = "{PROBABILITIES}"',
        )
    return Head(kind=PROBABILITIES, graph=without, returned=_softmax_as_returned)


def settled(graph: Graph, declared: str, images: Array, *, name: str) -> Head:
    """The head by its values on images. Raises ConfigError where nobody can tell, see `outputs.found`."""

    def outputs_of(inputs: Array) -> Array:
        return np.asarray(replay(graph, _tensor(inputs))[0])

    kind = found(outputs_of, images, name=name, declared=declared)
    if kind in AS_THEY_ARE:
        return with_logits(kind, graph, as_it_is)
    return _by_value(graph, kind, np.concatenate([images[:IMAGES], probes(images)[0]])) or inverse(kind, graph)


# --------------------------------------------------------------------------------------------------- by value
def _by_value(graph: Graph, kind: str, inputs: Array) -> Head | None:
    """The head whose logits are a tensor from which the outputs follow; None where there is none."""
    columns = int(graph.steps[-1].shape[-1] or 0)
    fused = [step.name for step in graph.steps if _is_fused(step) and _size(step) == columns]
    returned = np.asarray(replay(graph, _tensor(inputs))[0], np.float64)
    for opened in (_opened(graph, fused), graph):
        names = [step.name for step in opened.steps if _size(step) == columns and graph.output not in step.outputs]
        outputs, tensors = replay(opened, _tensor(inputs), keep=names)
        if _follows(returned, np.asarray(outputs, np.float64)):  # or an activation is not the last that a layer does
            break
    fitting = {}
    for name in names:
        values = np.asarray(tensors[name], np.float64).reshape(len(inputs), columns)
        if any(_follows(returned, form(values, returned)) for form in _FORMS[kind]):
            fitting[name] = values
    chosen = _first_of(fitting)
    if chosen is None:
        return None
    kept = _opened(graph, [chosen]) if opened is not graph and chosen in fused else graph
    tensor = kept.step(chosen.removesuffix(_ACTIVATION)).outputs[0]
    tail = after(kept, tensor)
    return None if tail is None else with_logits(kind, up_to(kept, tensor, columns=columns), tail)


def _first_of(fitting: dict[str, Values]) -> str | None:
    """The first name, or the last one that has the same values: a ReLU may have had nothing to do on these images."""
    names = iter(fitting)
    chosen = next(names, None)
    for name in names:
        if chosen is not None and np.allclose(fitting[name], fitting[chosen], rtol=1e-5, atol=1e-6, equal_nan=True):
            chosen = name
    return chosen


def _follows(returned: Values, made: Values) -> bool:
    """Whether outputs are these values, but for rounding and clipping."""
    usable = np.isfinite(returned).all(1) & np.isfinite(made).all(1)
    if not usable.any():
        return False
    returned, made = returned[usable], made[usable]
    low, high = float(returned.min()), float(returned.max())
    tolerance = SAME * (high - low) + ROUNDING * max(abs(low), abs(high))
    return bool(np.abs(np.clip(made, low, high) - returned).max() <= tolerance)


def _opened(graph: Graph, names: Collection[str]) -> Graph:
    """The graph with these steps in two: what the layer does without its activation, and the activation."""
    free = itertools.count(1 + max(tensor for step in graph.steps for tensor in (*step.inputs, *step.outputs)))
    steps: list[Step] = []
    for step in graph.steps:
        if step.name not in names:
            steps.append(step)
            continue
        keras, before = keras_of(step.layer), next(free)
        linear = replace(step, call=call_around(step, activation=keras.activations.linear), outputs=(before,))
        activation = replace(
            step,
            name=step.name + _ACTIVATION,
            layer=keras.layers.Activation(step.layer.activation),
            call=step.layer.activation,
            args=(Slot(before),),
            kwargs={},
            inputs=(before,),
        )
        steps += [linear, activation]
    return replace(graph, steps=tuple(steps))


def _is_fused(step: Step) -> bool:
    layers, activation = keras_of(step.layer).layers, getattr(step.layer, "activation", None)
    if not callable(activation) or isinstance(step.layer, layers.Activation):
        return False
    return activation is not keras_of(step.layer).activations.linear


def _size(step: Step) -> int:
    """How many numbers a step gives for an image; 0 where that is open, or where it gives several tensors."""
    return math.prod(size or 0 for size in step.shape[1:]) if len(step.outputs) == 1 else 0


def _tensor(inputs: Array) -> Any:
    import tensorflow as tf

    return tf.constant(inputs, tf.float32)


def _softmaxes(logits: Values, _: Values) -> Values:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=1))


def _scaled_softmaxes(logits: Values, returned: Values) -> Values:
    return _softmaxes(logits, returned) * float(np.nanmedian(returned.sum(axis=1)))


def _sigmoids(logits: Values, _: Values) -> Values:
    from scipy.special import expit

    return np.asarray(expit(logits))


def _log_softmaxes(logits: Values, _: Values) -> Values:
    from scipy.special import log_softmax

    return np.asarray(log_softmax(logits, axis=1))


_FORMS: dict[str, tuple[Callable[[Values, Values], Values], ...]] = {
    PROBABILITIES: (_softmaxes, _sigmoids),  # sigmoids that were trained on one class for each image may sum to 1
    "scaled-probabilities": (_scaled_softmaxes,),
    "log-probabilities": (_log_softmaxes,),
    "probability": (_sigmoids,),
    "independent-probabilities": (_sigmoids,),
}


# ------------------------------------------------------------------------------------------------- by the layer
def _without_softmax(graph: Graph) -> Graph | None:
    """The graph up to the logits; None where its end is not plainly a softmax."""
    index = _end(graph)
    step = graph.steps[index]
    keras = keras_of(step.layer)
    if not _is_over_columns(step, graph.steps[-1].shape[-1]):
        return None
    if isinstance(step.layer, keras.layers.Softmax) or operation_name(step.layer) == "softmax":
        without = replace(step, call=identity)
    elif _is_softmax(getattr(step.layer, "activation", None), step.layer):
        without = replace(step, call=call_around(step, activation=keras.activations.linear))
    else:
        return None
    return replace(graph, steps=(*graph.steps[:index], without, *graph.steps[index + 1 :]))


def _end(graph: Graph) -> int:
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


def _is_over_columns(step: Step, columns: int | None) -> bool:
    """Whether what a softmax there makes 1 in sum is the model's outputs; another axis is left to the values."""
    axis = getattr(step.layer, "axis", step.kwargs.get("axis"))
    return step.shape[-1] == columns and axis in (None, -1, len(step.shape) - 1)


def _is_softmax(activation: Any, layer: Any) -> bool:
    return activation in functions_named(layer, "softmax") or isinstance(activation, keras_of(layer).layers.Softmax)


def _softmax_as_returned(logits: Array) -> Array:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=1), np.float32)
