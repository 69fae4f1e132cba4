"""What the activations of a float graph range over: what the quantizer of flatbuffers turns into scales."""

from __future__ import annotations

from copy import copy

from converters import ConversionError, schema
from converters.rewriting.graph import Graph, Tensor

# LCE's documented stand-in where a model was not trained for int8: wide enough for normalised activations.
DEFAULT_RANGE = (-3.0, 3.0)
_UINT8_TO_INT8 = 128


def give_default_ranges(graph: Graph) -> None:
    """Rule: every float activation ranges over DEFAULT_RANGE, but for what LceBconv2d writes, as with LCE's converter.

    What has no range stays in floats, and what is computed with it.
    """
    activations = {*graph.inputs, *(tensor for operator in graph.operators for tensor in operator.outputs)}
    for tensor in activations:
        if tensor.type == "FLOAT32" and graph.written_by(tensor, "LceBconv2d") is None:
            tensor.quantization = _ranging(*DEFAULT_RANGE)


def use_trained_ranges(graph: Graph) -> None:
    """Rule: fake quantization, which TFLite writes as QUANTIZE to uint8 and DEQUANTIZE, becomes one to int8.

    The numbers in between are the same: scales stay, and zero points move by 128. Raises ConversionError for fake
    quantization to more bits.
    """
    for operator in [operator for operator in graph.operators if operator.name == "QUANTIZE"]:
        integers = operator.output
        if integers.type != "UINT8":
            raise ConversionError(
                f'layer "{integers.name}" has fake quantization to {integers.type}, and int8 has 8 bits',
                hint="num_bits=8 in the model's fake quantization",
            )
        _make_int8(integers)


def _ranging(low: float, high: float) -> object:
    quantization = schema.objects().QuantizationParametersT()
    quantization.min, quantization.max = [low], [high]
    return quantization


def _make_int8(tensor: Tensor) -> None:
    quantization = copy(tensor.quantization)
    quantization.zeroPoint = [int(zero) - _UINT8_TO_INT8 for zero in quantization.zeroPoint]
    tensor.type, tensor.quantization = "INT8", quantization
