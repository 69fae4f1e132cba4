"""Batch norms taken into the convolutions before them: forwards where nobody can tell, backwards everywhere.

Folding changes the last bits of what follows. Where a gradient passes a comparison, they may matter: a sign in a
binarized model (folding gave a BinaryAlexNet other maps altogether), a ReLU or a maximum in any other (one gate near
zero moves a patch of ResNet50's map by 1 to 3 % of the range). So forward passes are folded in smooth models, and
in continuous ones before the steps at which the gradient ends, as for class activation maps. Elsewhere only the
backward pass is: it is linear, so its last bits stay last bits, and the forward pass is the plain one, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.keras_packages import functions_named, keras_of
from harness.saliency.engine.batch_statistics import takes_batch_statistics
from harness.saliency.engine.graph import Graph, Step, apart, call_around, identity, with_calls, with_gradient_of
from harness.saliency.engine.rewrites.convolutions import has_plain_kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A convolution that can take in the batch norm after it, and its weights when it has."""

    convolution: str
    norm: str
    weights: dict[str, Any]


def find_folds(graph: Graph) -> tuple[Fold, ...]:
    """Every convolution or dense layer whose output a batch norm alone reads."""
    return tuple(
        Fold(convolution=step.name, norm=norm.name, weights=_folded_weights(step, norm))
        for step in graph.steps
        if (norm := _sole_norm_after(graph, step)) is not None
    )


def folded(graph: Graph, folds: Collection[Fold], *, keep: Collection[str], first: int, exact: bool = True) -> Graph:
    """The graph with folded batch norms, except where the convolution's own output is asked for.

    first  number of the first step that a gradient passes.
    exact  whether last bits matter at all where a gradient passes a comparison.
    """
    smooth, continuous = not exact or all(map(_is_smooth, graph.steps)), is_continuous(graph)
    numbers = {step.name: number for number, step in enumerate(graph.steps)}
    calls: dict[str, Callable[..., Any]] = {}
    for fold in folds:
        if fold.convolution in keep:
            continue
        convolution, norm = graph.step(fold.convolution), graph.step(fold.norm)
        call = call_around(convolution, **fold.weights)
        passed = numbers[norm.name] >= first
        if smooth or (continuous and not passed):
            calls |= {convolution.name: call, norm.name: identity}
        elif passed:
            calls[convolution.name] = with_gradient_of(call, _unfused(convolution.call))
            calls[norm.name] = with_gradient_of(identity, norm.call)
    return with_calls(graph, calls)


def _unfused(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda values, *args, **kwargs: apart(call(values, *args, **kwargs))


def is_continuous(graph: Graph) -> bool:
    """Whether the last bits of a sum never decide more than last bits, as long as no gradient passes."""
    return all(map(_is_continuous, graph.steps))


def norm_scale(norm: Any) -> Any:
    """What a batch norm multiplies each channel with at inference, in float64."""
    scale = 1 / np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    return scale * norm.gamma.numpy() if norm.scale else scale


def _is_smooth(step: Step) -> bool:
    """Whether a step compares nothing with anything: its gradient changes little with its input."""
    keras = keras_of(step.layer)
    layers, activations = keras.layers, keras.activations
    smooth = (activations.linear, activations.sigmoid, activations.tanh, activations.softmax, None)
    swish = functions_named(step.layer, "swish", "silu")
    return getattr(step.layer, "activation", None) in (*smooth, *swish) and type(step.layer) in (
        layers.Activation,
        layers.Add,
        layers.AveragePooling2D,
        layers.BatchNormalization,
        layers.Concatenate,
        layers.Conv2D,
        layers.Dense,
        layers.DepthwiseConv2D,
        layers.Dropout,
        layers.Flatten,
        layers.GlobalAveragePooling2D,
        layers.Multiply,
        layers.Normalization,
        layers.Rescaling,
        layers.Reshape,
        layers.Softmax,
        layers.ZeroPadding2D,
    )


def _is_continuous(step: Step) -> bool:
    """Whether at least a step's output changes little with its input."""
    layers = keras_of(step.layer).layers
    if type(step.layer) in (layers.ReLU, layers.LeakyReLU, layers.MaxPooling2D, layers.GlobalMaxPooling2D):
        return True
    plain = getattr(step.layer, "activation", None) in functions_named(step.layer, "relu", "relu6")
    return _is_smooth(step) or (plain and type(step.layer) in (layers.Activation, layers.Conv2D, layers.Dense))


def _sole_norm_after(graph: Graph, step: Step) -> Step | None:
    keras, consumers = keras_of(step.layer), graph.consumers(step.outputs[0])
    folding = type(step.layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    if not folding or step.layer.activation is not keras.activations.linear or len(consumers) != 1:
        return None
    if getattr(step.layer, "data_format", "channels_last") != "channels_last" or step.outputs[0] == graph.output:
        return None
    return consumers[0] if is_channel_norm(consumers[0]) and has_plain_kernel(step.layer) else None


def is_channel_norm(step: Step) -> bool:
    """Whether a step is a batch norm by learned statistics, over the last axis: a list in Keras 2, maybe -1 in 3."""
    if not isinstance(step.layer, keras_of(step.layer).layers.BatchNormalization):
        return False
    if takes_batch_statistics(step.layer, training=step.training):
        return False
    return [axis % len(step.shape) for axis in np.atleast_1d(step.layer.axis)] == [len(step.shape) - 1]


def _folded_weights(step: Step, norm: Step) -> dict[str, Any]:
    """The attributes of a convolution that has taken in the norm after it."""
    import tensorflow as tf

    depthwise = isinstance(step.layer, keras_of(step.layer).layers.DepthwiseConv2D)
    name = "depthwise_kernel" if hasattr(step.layer, "depthwise_kernel") else "kernel"  # the former in Keras 2
    kernel, scale = getattr(step.layer, name).numpy(), norm_scale(norm.layer)
    shift = -norm.layer.moving_mean.numpy() * scale + (norm.layer.beta.numpy() if norm.layer.center else 0)
    bias = step.layer.bias.numpy() * scale if step.layer.use_bias else 0
    # A depthwise kernel is (h, w, channels, multiplier): its last two axes together are the channels of the output.
    scaled = kernel * (scale.reshape(kernel.shape[-2:]) if depthwise else scale)
    return {name: tf.constant(scaled, tf.float32), "bias": tf.constant(bias + shift, tf.float32), "use_bias": True}
