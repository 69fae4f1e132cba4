"""Rewrites that make a graph faster and leave its maps as they are.

Folding a batch norm into the convolution before it changes the last bits of what follows. Where a network decides by a
comparison, they may matter: by a sign in a binarized network (folding gave a BinaryAlexNet other maps altogether), by a
ReLU or a maximum in any other (one gate near zero moves a patch of ResNet50's map by 1 to 3 % of the range). So norms
are folded in smooth networks only. Elsewhere the forward pass stays the plain one, bit for bit, but for convolutions on
a single pixel: they become matrix products, which are exact for +1 and -1. The rest changes backward passes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.saliency.graph import Graph, Step, call_around, identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A convolution that has taken in the batch norm after it."""

    convolution: str
    norm: str
    call: Callable[..., Any]


def find_folds(graph: Graph) -> tuple[Fold, ...]:
    """Every convolution or dense layer whose output a batch norm alone reads, if the whole network is smooth."""
    if not all(_is_smooth(step) for step in graph.steps):
        return ()
    return tuple(
        Fold(convolution=step.name, norm=norm.name, call=_folded(step, norm))
        for step in graph.steps
        if (norm := _sole_norm_after(graph, step)) is not None
    )


def fold(graph: Graph, folds: Collection[Fold], *, keep: Collection[str]) -> Graph:
    """The graph with folded batch norms, except where the convolution's own output is asked for."""
    used = [found for found in folds if found.convolution not in keep]
    calls = {found.convolution: found.call for found in used} | {found.norm: identity for found in used}
    return replace(graph, steps=tuple(replace(step, call=calls.get(step.name, step.call)) for step in graph.steps))


def quicken(graph: Graph, *, sources: Collection[str] = ()) -> Graph:
    """Convolutions on a 1x1 map as matrix products, and shorter backward passes from the logits to the `sources`.

    sources  steps at which every backward pass ends; the image if there are none. Before them, a gradient of its own
             would only keep TensorFlow from fusing a norm with its neighbours.
    """
    names = [step.name for step in graph.steps]
    first = min((names.index(name) for name in sources), default=0)
    return replace(
        graph,
        steps=tuple(replace(step, call=_quicker(step, backward=i >= first)) for i, step in enumerate(graph.steps)),
    )


def _quicker(step: Step, *, backward: bool) -> Callable[..., Any]:
    import tensorflow as tf

    if _is_convolution_of_one_pixel(step):
        return _matrix_product(step)
    if backward and isinstance(step.layer, tf.keras.layers.BatchNormalization) and step.call is not identity:
        return _norm_with_short_gradient(step)
    if backward and getattr(step.layer, "activation", None) in _swish_functions():
        return call_around(step, activation=_swish)
    return step.call


def _swish_functions() -> tuple[Any, ...]:
    import tensorflow as tf

    return tf.keras.activations.swish, tf.nn.silu


def _is_smooth(step: Step) -> bool:
    """Whether a step compares nothing with anything: a small change of its input changes its output as little."""
    import tensorflow as tf

    layers, activations = tf.keras.layers, tf.keras.activations
    smooth = (activations.linear, activations.sigmoid, activations.tanh, activations.softmax, *_swish_functions(), None)
    return getattr(step.layer, "activation", None) in smooth and type(step.layer) in (
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


def _sole_norm_after(graph: Graph, step: Step) -> Step | None:
    import tensorflow as tf

    layers, consumers = tf.keras.layers, graph.consumers(step.outputs[0])
    folding = type(step.layer) in (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    if not folding or step.layer.activation is not tf.keras.activations.linear or len(consumers) != 1:
        return None
    if getattr(step.layer, "data_format", "channels_last") != "channels_last" or step.outputs[0] == graph.output:
        return None
    return consumers[0] if _is_channel_norm(consumers[0]) else None


def _is_channel_norm(step: Step) -> bool:
    import tensorflow as tf

    return isinstance(step.layer, tf.keras.layers.BatchNormalization) and list(step.layer.axis) == [len(step.shape) - 1]


def _scale_and_shift(norm: Any) -> tuple[Any, Any]:
    """What a batch norm does to each channel at inference, in float64."""
    scale = 1 / np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    scale = scale * norm.gamma.numpy() if norm.scale else scale
    shift = -norm.moving_mean.numpy() * scale
    return scale, shift + norm.beta.numpy() if norm.center else shift


def _folded(step: Step, norm: Step) -> Callable[..., Any]:
    import tensorflow as tf

    name = "depthwise_kernel" if hasattr(step.layer, "depthwise_kernel") else "kernel"
    kernel = getattr(step.layer, name).numpy()
    scale, shift = _scale_and_shift(norm.layer)
    bias = step.layer.bias.numpy() * scale if step.layer.use_bias else 0
    # A depthwise kernel is (h, w, channels, multiplier): its last two axes together are the channels of the output.
    scaled = kernel * (scale.reshape(kernel.shape[-2:]) if name == "depthwise_kernel" else scale)
    return call_around(
        step, **{name: tf.constant(scaled, tf.float32)}, bias=tf.constant(bias + shift, tf.float32), use_bias=True
    )


def _norm_with_short_gradient(step: Step) -> Callable[..., Any]:
    """TensorFlow's gradient computes those of the norm's own weights too; at inference only dy * scale is left."""
    import tensorflow as tf

    scale = tf.constant(_scale_and_shift(step.layer)[0], tf.float32)

    def gradient(upstream: Any, variables: Any = ()) -> Any:
        return upstream * scale, [None for _ in variables]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def normalize(values: Any) -> Any:
        return step.call(values), gradient

    return lambda values, *args, **kwargs: normalize(values)


def _is_convolution_of_one_pixel(step: Step) -> bool:
    """A 1x1 kernel on a 1x1 map."""
    import tensorflow as tf

    layer = step.layer
    return (
        isinstance(layer, tf.keras.layers.Conv2D)
        and not isinstance(layer, tf.keras.layers.Conv2DTranspose)
        and layer.kernel_size == (1, 1)
        and step.shape[1:3] == (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
        and tuple(layer.input_shape[1:3]) == (1, 1)
    )


def _matrix_product(step: Step) -> Callable[..., Any]:
    import tensorflow as tf

    def product(values: Any, kernel: Any) -> Any:
        return tf.matmul(values[:, 0, 0, :], kernel[0, 0])[:, None, None, :]

    return call_around(step, convolution_op=product)


def _swish(values: Any) -> Any:
    """x * sigmoid(x) with its gradient in one sweep: compiled by XLA, which is slower for anything larger here."""
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def gradient(x: Any, upstream: Any) -> Any:
        sigmoid = tf.sigmoid(x)
        return upstream * sigmoid * (1 + x * (1 - sigmoid))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def swish(x: Any) -> Any:
        return tf.nn.silu(x), lambda upstream: gradient(x, upstream)

    return swish(values)
