"""Rewrites that make a graph faster and leave its maps as they are: same numbers, by operations that cost less.

Batch norms go into convolutions where `folding.py` finds that harmless. Otherwise forward passes are the plain ones,
bit for bit, but for convolutions on a single pixel: they become matrix products, which are exact for +1 and -1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from harness.keras_packages import functions_named, keras_of
from harness.saliency.engine.graph import Graph, Step, apart, call_around, identity, with_calls, with_gradient_of
from harness.saliency.engine.rewrites.blocks import by_blocks, suits_blocks
from harness.saliency.engine.rewrites.convolutions import same_padding
from harness.saliency.engine.rewrites.dense_layers import by_rows_of_weights, suits_rows
from harness.saliency.engine.rewrites.folding import Fold, folded, is_channel_norm, norm_scale
from harness.saliency.engine.rewrites.forks import Fork, find_forks, with_forks
from harness.saliency.engine.rewrites.gates import Gate, relu_after
from harness.saliency.engine.rewrites.halves import in_halves, suits_halves
from harness.saliency.engine.rewrites.norms import Norms
from harness.saliency.engine.rewrites.products import find_products, with_products
from harness.saliency.engine.rewrites.residuals import find_residuals, with_residual_sums
from harness.saliency.engine.rewrites.tiles import Tiles


def rewritten(
    graph: Graph,
    folds: Collection[Fold],
    tiles: Tiles,
    norms: Norms,
    *,
    batch: int,
    keep: Collection[str],
    sources: Collection[str],
    halves: bool = False,
) -> Graph:
    """The graph as it is compiled.

    batch    images of a pass.
    keep     steps whose outputs are asked for: they stay what they are.
    sources  steps at which every backward pass ends; the image if there are none. Before them, a gradient of its own
             would only keep TensorFlow from fusing a norm with its neighbours.
    halves   whether products may be rounded to bfloat16, so that nothing needs to be the plain graph bit for bit.
    """
    names = [step.name for step in graph.steps]
    first = min((names.index(name) for name in sources), default=0)
    folding = {fold.convolution: fold.norm for fold in folds if fold.convolution not in keep}
    back = [] if halves else list(filter(tiles.goes_back, graph.steps[first:]))
    relus = {step.name: relu for step in back if (relu := relu_after(graph, step, folding, keep))}
    gates = {relu: Gate() for relu in relus.values()}
    forks = find_forks(graph, back, keep=keep, gated=gates)
    steps = []
    for i, step in enumerate(_padded_by_convolutions(graph, keep).steps):
        backward = i >= first and step.name not in folding.values()
        step = replace(step, call=_quicker(step, backward=backward, threads=tiles.threads))
        gate = gates.get(relus.get(step.name, ""))
        fork = forks.get(step.name)
        convolution = _convolution(step, tiles, passed=i >= first, gate=gate, fork=fork, halves=halves)
        step = replace(step, call=call_around(step, convolution_op=convolution)) if convolution else step
        steps.append(replace(step, call=gates[step.name].call_of(step)) if step.name in gates else step)
    quicker = folded(replace(graph, steps=tuple(steps)), folds, keep=keep, first=first, exact=not halves)
    products = find_products(graph, quicker, back, folding, tiles.product_of, norms, keep=keep, batch=batch)
    quicker = with_products(quicker, products, relus, gates)
    quicker = with_residual_sums(
        quicker,
        find_residuals(graph, norms),
        norms,
        {norm: product for norm, product in products.items() if product.step.name not in forks},
        keep=keep,
        ungated=[fork.relu for fork in forks.values() if fork.relu],
        threads=tiles.threads,
    )
    return with_forks(quicker, forks)


def _convolution(
    step: Step, tiles: Tiles, *, passed: bool, gate: Gate | None, fork: Fork | None, halves: bool
) -> Callable[..., Any] | None:
    """What replaces a step's convolution of (values, kernel), if anything."""
    if halves and suits_halves(step.layer):
        forward, backward = tiles.forward_of(step), tiles.backward_of(step)
        return in_halves(step.layer, forward=forward, backward=backward, passed=passed)

    def maps() -> dict[str, Any]:
        return {"gate": gate and gate.opened, **(fork.maps if fork else {})}

    convolution = tiles.convolution_of(step, passed=passed, maps=maps)
    if not convolution and passed and suits_blocks(step.layer):
        return by_blocks(step.layer)
    return convolution


def _padded_by_convolutions(graph: Graph, keep: Collection[str]) -> Graph:
    """Zeros around a map that only a convolution reads need no copy of the map where they are those of "same"."""
    calls: dict[str, Callable[..., Any]] = {}
    for step in graph.steps:
        consumers = graph.consumers(step.outputs[0])
        if len(consumers) == 1 and step.name not in keep and _pads_as_same(step, consumers[0]):
            calls |= {step.name: identity, consumers[0].name: call_around(consumers[0], padding="same")}
    return with_calls(graph, calls)


def _pads_as_same(step: Step, convolution: Step) -> bool:
    layer, layers = convolution.layer, keras_of(convolution.layer).layers
    if type(step.layer) is not layers.ZeroPadding2D or type(layer) not in (layers.Conv2D, layers.DepthwiseConv2D):
        return False
    if layer.padding != "valid" or "channels_first" in (layer.data_format, step.layer.data_format):
        return False
    return all(
        size is not None and padding == same_padding(size - sum(padding), kernel, stride, dilation)
        for size, padding, kernel, stride, dilation in zip(
            step.shape[1:3], step.layer.padding, layer.kernel_size, layer.strides, layer.dilation_rate
        )
    )


def _quicker(step: Step, *, backward: bool, threads: int) -> Callable[..., Any]:
    if _is_convolution_of_one_pixel(step):
        return _matrix_product(step)
    if _is_normalization_of_channels(step):
        return _by_rows(step)
    if backward and getattr(step.layer, "activation", None) in functions_named(step.layer, "swish", "silu"):
        return call_around(step, activation=_swish)
    if backward and is_channel_norm(step):
        return _norm_with_short_gradient(step)
    if backward and suits_rows(step):
        return by_rows_of_weights(step, threads=threads)
    return step.call


def _norm_with_short_gradient(step: Step) -> Callable[..., Any]:
    """TensorFlow's gradient computes those of the norm's own weights too; at inference only dy * scale is left."""
    import tensorflow as tf

    scale = tf.constant(norm_scale(step.layer), tf.float32)
    return with_gradient_of(
        lambda values, *args, **kwargs: values * scale,
        lambda values, *args, **kwargs: step.call(apart(values), *args, **kwargs),
    )


def _is_convolution_of_one_pixel(step: Step) -> bool:
    """A 1x1 kernel on a 1x1 map."""
    layer, layers = step.layer, keras_of(step.layer).layers
    return (
        isinstance(layer, layers.Conv2D)
        and not isinstance(layer, layers.Conv2DTranspose)
        and layer.kernel_size == (1, 1)
        and step.shape[1:3] == (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
    )


def _matrix_product(step: Step) -> Callable[..., Any]:
    import tensorflow as tf

    def product(values: Any, kernel: Any) -> Any:
        return tf.matmul(values[:, 0, 0, :], kernel[0, 0])[:, None, None, :]

    return call_around(step, convolution_op=product)


def _is_normalization_of_channels(step: Step) -> bool:
    layer = step.layer
    return (
        type(layer) is keras_of(layer).layers.Normalization and tuple(layer.axis) == (3,) and None not in step.shape[1:]
    )


def _by_rows(step: Step) -> Callable[..., Any]:
    """The same arithmetic on whole rows of pixels: TensorFlow is slow at repeating three numbers."""
    import tensorflow as tf

    height, width, channels = map(int, step.shape[1:])  # type: ignore[arg-type]  # all known, see above
    repeated = {name: tf.tile(getattr(step.layer, name), (1, 1, 1, width)) for name in ("mean", "variance")}
    call = call_around(step, **repeated)

    def by_rows(values: Any, *args: Any, **kwargs: Any) -> Any:
        rows = tf.reshape(values, (-1, height, 1, width * channels))
        return tf.reshape(call(rows, *args, **kwargs), (-1, height, width, channels))

    return by_rows


def _swish(values: Any) -> Any:
    """x * sigmoid(x) with its gradient in one sweep: compiled by XLA, which is slower for anything larger here."""
    import tensorflow as tf

    gradient = _swish_gradient(tuple(values.shape))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def swish(x: Any) -> Any:
        return tf.nn.silu(x), lambda upstream: gradient(x, upstream)

    return swish(values)


@functools.cache
def _swish_gradient(shape: tuple[int | None, ...]) -> Any:
    """One for each shape, for all engines: XLA keeps what it has compiled for as long as the process lives."""
    import tensorflow as tf

    def gradient(x: Any, upstream: Any) -> Any:
        sigmoid = tf.sigmoid(x)
        return upstream * sigmoid * (1 + x * (1 - sigmoid))

    values = tf.TensorSpec(shape, tf.float32)
    with tf.init_scope():  # it belongs to no graph that is being traced
        return tf.function(gradient, jit_compile=True, autograph=False).get_concrete_function(values, values)
