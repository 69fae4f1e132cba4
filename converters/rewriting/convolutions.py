"""Convolutions of signs with signs become LceBconv2d, which counts equal bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.rewriting.constants import scalar, value
from converters.rewriting.epilogue import ACTIVATIONS, Epilogue, activation_in, fold_epilogue
from converters.rewriting.geometry import SAME, VALID, Axis
from converters.rewriting.graph import Graph, Operator, Tensor, constant
from converters.rewriting.packing import WORD, pack
from converters.rewriting.signs import Sign, quantized, sign_of


class StaysFloat(Exception):
    """Why an operator cannot be binary: half a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryConvolution:
    """What LceBconv2d is told of a convolution.

    negative   (O, KH, KW, C / groups), True for a weight below zero.
    magnitude  (O,) what all weights of an output channel have in common.
    pad_value  what SAME padding pads with: 0 or 1; 0 for VALID.
    """

    sign: Sign
    negative: NDArray[np.bool_]
    magnitude: NDArray[np.float32]
    bias: NDArray[np.float32]
    padding: int
    pad_value: int

    @property
    def zero_padded(self) -> bool:
        return self.padding == SAME and self.pad_value == 0


def binarize_convolutions(graph: Graph) -> None:
    """Every convolution that can be binary becomes so, with the channels' constants and activations behind it."""
    for operator in [operator for operator in graph.operators if operator.name == "CONV_2D"]:
        try:
            convolution = binary_convolution(graph, operator)
        except StaysFloat:
            continue
        _replace(graph, operator, convolution)
    graph.remove_unread()


def binary_convolution(graph: Graph, operator: Operator) -> BinaryConvolution:
    """A CONV_2D as a binary one. Raises StaysFloat."""
    if activation_in(operator) is None:
        raise StaysFloat("LCE does not have its activation")
    negative, magnitude = _signs_of_weights(operator)
    sign, padding, pad_value = _signs_of_input(graph, operator)
    outputs, _, _, channels = negative.shape
    groups = sign.source.shape[-1] // channels
    if groups > 1 and (channels % WORD or outputs % groups):
        raise StaysFloat(f"its {groups} groups have {channels} channels each, which is no multiple of {WORD}")
    bias = value(operator.inputs[2]) if len(operator.inputs) > 2 else None
    return BinaryConvolution(
        sign=sign,
        negative=negative,
        magnitude=magnitude,
        bias=np.zeros(outputs, np.float32) if bias is None else bias,
        padding=padding,
        pad_value=pad_value,
    )


def _signs_of_weights(operator: Operator) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Rule: within an output channel, all weights are +m or -m. Where m is 0 the sign does not matter."""
    weights = value(operator.inputs[1])
    if weights is None or weights.dtype != np.float32:
        raise StaysFloat("its weights are not float32 constants")
    sizes = np.abs(weights).reshape(len(weights), -1)
    magnitude = sizes[:, 0].copy()
    if np.any(sizes != magnitude[:, None]):
        raise StaysFloat("its weights have more than one magnitude in an output channel")
    if not magnitude.any():
        raise StaysFloat("its weights are all zero")
    return weights < 0, magnitude


def _signs_of_input(graph: Graph, operator: Operator) -> tuple[Sign, int, int]:
    """Rule: the input is a sign, perhaps padded. Returns what it is the sign of, the padding and its value.

    PAD and a VALID convolution are a SAME one where they pad as that does. Padding with signs may also stay what it is,
    since the sign of what it gives is itself.
    """
    source = operator.input(0)
    padding = operator.options.padding
    padder = graph.written_by(source, "PAD", "PADV2") if padding == VALID else None
    if padder is not None:
        sign, pad_value = sign_of(graph, padder.input(0)), _pad_value(padder)
        if sign is not None and pad_value in (0, 1) and _is_same_padding(padder, operator):
            return sign, SAME, int(pad_value)
    sign = sign_of(graph, source)
    if sign is None and padder is not None and sign_of(graph, padder.input(0)) is not None:
        raise StaysFloat("zeros are padded to its signs, and not as padding='same' does")
    if sign is None:
        raise StaysFloat("its input is not a sign that is +1 or -1 everywhere")
    pads = any(sum(axis.same_padding) for axis in _axes(source, operator))
    return sign, SAME if padding == SAME and pads else VALID, 0


def _pad_value(padder: Operator) -> float | None:
    return 0.0 if padder.name == "PAD" else scalar(padder.inputs[2])


def _is_same_padding(padder: Operator, operator: Operator) -> bool:
    unpadded, pads = padder.input(0), value(padder.inputs[1])
    axes = _axes(unpadded, operator)
    wanted = [(0, 0), *(axis.same_padding for axis in axes), (0, 0)]
    return (
        pads is not None
        and np.array_equal(pads, wanted)
        and operator.output.shape[1:3] == tuple(axis.outputs for axis in axes)
    )


def _axes(images: Tensor, operator: Operator) -> tuple[Axis, Axis]:
    options, weights = operator.options, operator.input(1)
    return (
        Axis(images.shape[1], weights.shape[1], options.strideH, options.dilationHFactor),
        Axis(images.shape[2], weights.shape[2], options.strideW, options.dilationWFactor),
    )


def _replace(graph: Graph, operator: Operator, convolution: BinaryConvolution) -> None:
    epilogue = fold_epilogue(
        graph,
        operator,
        multiplier=convolution.magnitude,
        bias=convolution.bias,
        may_fuse=not convolution.zero_padded,
    )
    bits = quantized(graph, convolution.sign)
    graph.replace([operator, *epilogue.folded], _operators(operator, convolution, epilogue, bits))


def _operators(operator: Operator, convolution: BinaryConvolution, epilogue: Epilogue, bits: Tensor) -> list[Operator]:
    """LceBconv2d, and behind it the activation that could not be fused."""
    left_over = epilogue.activation_behind
    output = epilogue.output
    result = Tensor(name=operator.output.name, shape=output.shape, type=output.type) if left_over else output
    constants = [pack(convolution.negative), epilogue.multiplier, epilogue.bias]
    binary = Operator(
        "LceBconv2d",
        [bits, *map(constant, constants), None],
        [result],
        options=_options(operator, convolution, epilogue.fused_activation),
        custom=True,
    )
    return [binary, Operator(left_over, [result], [output])] if left_over else [binary]


def _options(operator: Operator, convolution: BinaryConvolution, activation: str) -> dict[str, Any]:
    options = operator.options
    return {
        "channels_in": convolution.sign.source.shape[-1],
        "dilation_height_factor": options.dilationHFactor,
        "dilation_width_factor": options.dilationWFactor,
        "fused_activation_function": ACTIVATIONS[activation],
        "pad_values": convolution.pad_value,
        "padding": convolution.padding,
        "stride_height": options.strideH,
        "stride_width": options.strideW,
    }
