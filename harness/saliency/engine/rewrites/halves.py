"""Convolutions with products of bfloat16, summed in float32: faster where the CPU multiplies them, and less exact.

Only where somebody asked for it: what is rounded to 8 bits may turn a ReLU near zero, which moves a patch of a map.
A sign, or any other step, would turn with it by its whole height, so that models with one are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from harness.saliency.engine.graph import Graph, replay, with_gradient_of
from harness.saliency.engine.registered import give_back
from harness.saliency.engine.rewrites.binarized import has_pseudo_gradient
from harness.saliency.engine.rewrites.blocks import MOST_CHANNELS
from harness.saliency.engine.rewrites.convolutions import is_ordinary
from harness.saliency.precision import BINARIZED, refused_for

STEPS = {"Sign", "Round", "Rint", "Floor", "Ceil", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "Bucketize", "ArgMax"}
COMPARISONS = {"Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"}


def suits_halves(layer: Any) -> bool:
    """Whether a layer convolves all channels of a map. One of each channel alone waits for memory, not for products;
    and an image, which has few channels, would lose more than it saves."""
    quantizers = (getattr(layer, f"{name}_quantizer", None) for name in ("input", "kernel"))
    return is_ordinary(layer) and layer.kernel.shape[2] > MOST_CHANNELS and not any(quantizers)


def in_halves(
    layer: Any, *, forward: Callable[..., Any] | None, backward: Callable[..., Any] | None, passed: bool
) -> Callable[..., Any]:
    """The layer's convolution of (values, kernel) in bfloat16, both ways.

    forward, backward  what is as fast in float32 and so is taken instead: tiles, where there are any.
    passed             a gradient passes the layer.
    """
    forward = forward or _half(layer)
    return with_gradient_of(backward or _half(layer), forward) if passed else forward


def _half(layer: Any) -> Callable[..., Any]:
    import tensorflow as tf

    own = layer.convolution_op

    def half(values: Any, kernel: Any) -> Any:
        with tf.init_scope():  # once, and not at every pass
            rounded = tf.cast(kernel.numpy(), tf.bfloat16)
        return tf.cast(own(tf.cast(values, tf.bfloat16), rounded), tf.float32)

    return half


def check_suits(graph: Graph, shape: tuple[int | None, ...], *, name: str) -> None:
    """Raises ConfigError for a model without such convolutions, or with a step between an image and its scores."""
    if has_pseudo_gradient(graph):
        raise refused_for(name, BINARIZED)
    if not any(suits_halves(step.layer) for step in graph.steps):
        raise refused_for(name, "it has no convolution that would be faster")
    step = next(_steps(graph, shape), None)
    if step is not None:
        raise refused_for(
            name, f'"{step.name}" ({step.op}) has a step, and a sum that is rounded may fall on its other side'
        )


def _steps(graph: Graph, shape: tuple[int | None, ...]) -> Iterator[Any]:
    """The nodes of the traced model whose values jump as floats change."""
    import tensorflow as tf

    spec = tf.TensorSpec((1, *shape), tf.float32)
    function = tf.function(lambda images: replay(graph, images)[0], input_signature=[spec], autograph=False)
    traced = function.get_concrete_function()
    definition = traced.graph.as_graph_def()
    give_back(traced)
    nodes = [*definition.node, *(node for inner in definition.library.function for node in inner.node_def)]
    yield from filter(_has_step, nodes)


def _has_step(node: Any) -> bool:
    import tensorflow as tf

    def is_float(attribute: str) -> bool:
        return attribute in node.attr and tf.as_dtype(node.attr[attribute].type).is_floating

    if node.op == "Cast":
        return is_float("SrcT") and not is_float("DstT")
    return (node.op in STEPS | COMPARISONS and is_float("T")) or "Quant" in node.op
