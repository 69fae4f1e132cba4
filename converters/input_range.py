"""The range of an int8 input, chosen so that no pixel value lies in the middle between two of its steps.

Pixels are whole numbers and so are steps: where one step is one pixel value and the mean is 127.5, every pixel lies in
the middle, and the last bit of a float decides, differently on every processor. A range wider by less than 2 % has no
such pixel. The quantizer of flatbuffers reads ranges, so that the input's is changed between calibration and quantizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import schema

Levels = NDArray[np.float64]  # (256, C): the input's value for each pixel value of each channel

TIE = 2**-11  # of a step: what counts as the middle, as in device/preprocessing.py
_MARGIN = 1.25 * TIE  # ranges are stored as float32
_WIDER = [k / 16384 for k in range(320)]  # among so many, four channels that have nothing in common find one
_LOWEST, _HIGHEST = -128, 127
_AS_THEY_ARE = ("PAD", "PADV2", "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE")  # one scale for both


def has_range(content: bytes) -> bool:
    """Whether a flatbuffer is one of floats whose input has a range: calibrated, and not quantized yet."""
    graph = schema.read(content).subgraphs[0]
    quantization = graph.tensors[graph.inputs[0]].quantization
    return quantization is not None and quantization.min is not None and len(quantization.min) == 1


def without_ties(content: bytes, levels: Levels) -> bytes:
    """A calibrated float flatbuffer with another range of its input."""
    model = schema.read(content)
    graph = model.subgraphs[0]
    calibrated = graph.tensors[graph.inputs[0]].quantization
    low, high = chosen_range(levels, float(calibrated.min[0]), float(calibrated.max[0]))
    for tensor in same_values(model, graph):
        tensor.quantization.min, tensor.quantization.max = [low], [high]
    return schema.write(model)


def chosen_range(levels: Levels, low: float, high: float) -> tuple[float, float]:
    """The range with the fewest ties, and of these the one in which levels lie nearest to steps.

    low, high  what calibration images range over; only levels in between have to lie near steps.
    """
    inside = (levels >= low - _slack(low, high)) & (levels <= high + _slack(low, high))
    wanted = levels[inside] if inside.any() else levels
    ties = {steps: _ties(levels, *steps, _MARGIN) for steps in _candidates(levels, low, high)}
    fewest = min(ties.values())
    scale, zero_point = min((it for it, count in ties.items() if count == fewest), key=lambda it: _error(wanted, *it))
    return scale * (_LOWEST - zero_point), scale * (_HIGHEST - zero_point)


def tied_levels(content: bytes, levels: Levels) -> int:
    """How many of the pixel values of all channels lie halfway between two steps of an artifact's int8 input."""
    model = schema.read(content)
    graph = model.subgraphs[0]
    for tensor in same_values(model, graph):
        if tensor.type == schema.type_number("INT8"):
            return _ties(levels, float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]), TIE)
    return 0


def _candidates(levels: Levels, low: float, high: float) -> Iterator[tuple[float, int]]:
    """(scale, zero point) of slightly wider ranges than calibration saw, and than pixels can have."""
    for least, most in ((low, high), (float(levels.min()), float(levels.max()))):
        width = max(most, 0.0) - min(least, 0.0)
        for wider in _WIDER if width > 0 else ():
            scale = width * (1 + wider) / (_HIGHEST - _LOWEST)
            yield scale, round(_LOWEST - min(least, 0.0) / scale)


def _steps(levels: Levels, scale: float, zero_point: int) -> Levels:
    return np.clip(levels / scale + zero_point, _LOWEST, _HIGHEST)


def _ties(levels: Levels, scale: float, zero_point: int, margin: float) -> int:
    """How many levels lie so near to the middle between two steps; none does that is clipped."""
    steps = _steps(levels, scale, zero_point)
    return int((np.abs(steps - np.floor(steps) - 0.5) <= margin).sum())


def _error(levels: Levels, scale: float, zero_point: int) -> float:
    """Root mean square of what is lost, in units of the input."""
    restored = (np.round(_steps(levels, scale, zero_point)) - zero_point) * scale
    return float(np.sqrt(np.mean((restored - levels) ** 2)))


def _slack(low: float, high: float) -> float:
    return 1e-6 * (high - low)


def same_values(model: Any, graph: Any) -> Iterator[Any]:
    """The input's tensor, and then those that hold its values behind operators that only move or quantize them."""
    found = {graph.inputs[0]: None}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = schema.builtin_name(max(code.builtinCode, code.deprecatedBuiltinCode))
        if name in (*_AS_THEY_ARE, "QUANTIZE") and operator.inputs[0] in found:
            found[operator.outputs[0]] = None
    return (graph.tensors[index] for index in found)
