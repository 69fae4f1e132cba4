"""Binarized layers during saliency: which quantizers a model has, what they make of kernels, and other estimators.

The forward pass of a quantizer is a step function; its backward pass is a convention (Larq's quantizers bring one
each), so that what flows through it is a pseudo-gradient.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.errors import ConfigError, nearest
from harness.keras_packages import import_larq
from harness.saliency.engine.estimators import STE_CHOICES
from harness.saliency.engine.graph import Graph, Step, call_around
from harness.saliency.engine.quantizers import is_quantizer, is_sign_quantizer

KERNELS = {
    "kernel": "kernel_quantizer",
    "depthwise_kernel": "depthwise_quantizer",
    "pointwise_kernel": "pointwise_quantizer",
}


def has_pseudo_gradient(graph: Graph) -> bool:
    """Whether an activation passes a quantizer on its way to the logits."""
    return any(_activation_quantizers(step) for step in graph.steps)


def constant_kernels(layer: Any) -> dict[str, Any]:
    """The quantized kernels of a layer by attribute, empty if it quantizes none."""
    import tensorflow as tf

    kernels = {}
    for kernel, quantizer in KERNELS.items():
        if getattr(layer, quantizer, None) is not None:
            latent = tf.convert_to_tensor(getattr(layer, kernel))  # outside of Larq's quantized scope
            kernels[kernel] = tf.stop_gradient(getattr(layer, quantizer)(latent))
    return kernels


def swap_ste(graph: Graph, ste: str) -> Graph:
    """The graph with another straight-through estimator in every activation quantizer; forward values are the same.

    ste  "ste_sign" (clipped at 1) | "ste_identity" (not clipped) | "approx_sign" | "swish_sign" | "own" (no change).
    Raises ConfigError if a quantizer's forward pass is not sign(), such as ste_tern, since another one would change it.
    """
    if ste == "own":
        return graph
    if ste not in STE_CHOICES:
        raise ConfigError(f'ste: "{ste}" is not a straight-through estimator', hint=nearest(ste, STE_CHOICES))
    return replace(graph, steps=tuple(_with_ste(step, ste) for step in graph.steps))


def _activation_quantizers(step: Step) -> dict[str, Any]:
    """The quantizers of a step that see activations, by attribute; "" if the layer itself is one."""
    if is_quantizer(step.layer):
        return {"": step.layer}
    quantizers = {"input_quantizer": getattr(step.layer, "input_quantizer", None)}
    if is_quantizer(getattr(step.layer, "activation", None)):
        quantizers["activation"] = step.layer.activation
    return {name: quantizer for name, quantizer in quantizers.items() if quantizer is not None}


def _with_ste(step: Step, ste: str) -> Step:
    quantizers = _activation_quantizers(step)
    for quantizer in quantizers.values():
        if not is_sign_quantizer(quantizer):
            raise ConfigError(
                f'ste: layer "{step.name}" quantizes by {getattr(quantizer, "name", quantizer)!r}, '
                "expected a sign() quantizer, whose estimator can be swapped",
                hint='ste = "own"',
            )
    if not quantizers:
        return step
    swapped = _estimators()[ste]
    return replace(step, call=swapped if "" in quantizers else call_around(step, **dict.fromkeys(quantizers, swapped)))


def _estimators() -> dict[str, Any]:
    quantizers = import_larq().quantizers
    return {
        "ste_sign": quantizers.SteSign(),
        "ste_identity": quantizers.SteSign(clip_value=None),
        "approx_sign": quantizers.ApproxSign(),
        "swish_sign": quantizers.SwishSign(),
    }
