"""Binarized layers with their kernels quantized once, and convolutions of signs by counting bits, as boards run them.

Latent kernels are constant during saliency, so the quantizer itself is asked once and not at every pass. Sums of
products of +1 and -1 are integers, which floats hold exactly in any order, so nothing that follows can tell. The
backward pass stays in floats: what arrives from above is not a sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from harness.keras_packages import imported_larq
from harness.native.sign_convolution import SignConvolution, is_available
from harness.saliency.engine.graph import Graph, Step, call_around, identity, patched, with_gradient_of
from harness.saliency.engine.quantizers import is_sign_quantizer
from harness.saliency.engine.rewrites.binarized import constant_kernels

EXACT = 2**24  # integers up to here are floats


def quantize_kernels_once(graph: Graph, *, threads: int = 1) -> Graph:
    """Every quantized kernel as a constant tensor; convolutions of signs with signs count, each on so many threads."""
    return replace(graph, steps=tuple(_with_constant_kernels(step, threads) for step in graph.steps))


def _with_constant_kernels(step: Step, threads: int) -> Step:
    kernels = constant_kernels(step.layer)
    if not kernels:
        return step
    if can_count(step, kernels.get("kernel")):
        step = replace(step, call=counted(step, threads=threads))
    return replace(step, call=call_around(step, **kernels))


def can_count(step: Step, kernel: Any) -> bool:
    """Whether a step is a convolution of signs with a kernel of +1 and -1 that the operators' library takes."""
    larq, layer = imported_larq(), step.layer
    if larq is None or type(layer) is not larq.layers.QuantConv2D or not is_sign_quantizer(layer.input_quantizer):
        return False
    if layer.groups != 1 or layer.data_format != "channels_last":
        return False
    if layer.padding not in ("same", "valid") or float(layer.pad_values) not in (0, 1):
        return False
    values = kernel.numpy()
    return bool((np.abs(values) == 1).all()) and values[..., 0].size < EXACT and is_available()


def counted(step: Step, *, threads: int) -> Callable[..., Any]:
    """The step's call with its signs packed and its products counted.

    It asks the layer for its quantizer and its convolution when it is traced, so that callers can still change both.
    """
    layer = step.layer

    def call(*args: Any, **kwargs: Any) -> Any:
        # Packing takes signs by itself: forwards, the quantizer and Larq's padding of its output have nothing to do.
        quantizer = with_gradient_of(layer.input_quantizer, identity)
        counting = _counting(layer, layer.convolution_op, threads)
        with patched(layer, input_quantizer=quantizer, convolution_op=counting, _is_native_padding=True):
            return step.call(*args, **kwargs)

    return call


def _counting(layer: Any, convolution: Callable[..., Any], threads: int) -> Callable[..., Any]:
    import tensorflow as tf

    def count(values: Any, kernel: Any) -> Any:
        signs = SignConvolution(
            tuple(values.shape),
            kernel.numpy(),
            strides=layer.strides,
            dilations=layer.dilation_rate,
            padding=layer.padding,
            pad_value=int(layer.pad_values),
            threads=threads,
        )
        return signs(values)

    def in_floats(values: Any, kernel: Any) -> Any:
        if layer.padding == "valid" or not layer.pad_values:
            return convolution(values, kernel)
        values = tf.pad(values, layer._get_padding_same(values), constant_values=layer.pad_values)
        with patched(layer, padding="valid"):
            return convolution(values, kernel)

    return with_gradient_of(in_floats, count)
