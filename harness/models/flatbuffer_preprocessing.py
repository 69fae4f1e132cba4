"""What a flatbuffer says of how pixels become its input: by the range of a quantized input, or by its metadata.

A quantized input has a range, and what does not fit into it was never shown to the model: the range decides. Metadata
is what somebody wrote beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import schema
from converters.input_range import same_values
from converters.metadata import Metadata
from harness.models.declared import DEFAULT, NORMALIZATIONS, Normalization
from harness.models.findings import Proposal

NEAR = 0.05  # of a preset's width: how far its ends may be from those of the input's range; our own are 2 % wider
AT_ONE_END = 0.01  # the same, where pictures that calibrated lacked black or white, so that the other end says nothing
ONE_STEP = 1.0  # a preset that puts no pixel further than this from where the range puts it says the same as the range
CLIPPED = 0.1  # of the pixel values: more of them beyond the range contradict a normalization
USED = 0.6  # of the range: less of it used contradicts one
SMALL = 8  # bits of an integer of which there are as many as pixel values
PIXELS = np.arange(256.0)

Levels = NDArray[np.float64]  # (256, 1 or C): the input's value for each pixel value


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a quantized input can hold: `scale` * (integer - `zero_point`) for its integers from `lowest` on."""

    type: str
    scale: float
    zero_point: int
    lowest: int
    highest: int
    is_scaled: bool = True

    @property
    def low(self) -> float:
        return (self.lowest - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        return (self.highest - self.zero_point) * self.scale

    @property
    def is_small(self) -> bool:
        return self.highest - self.lowest < (1 << SMALL)

    @property
    def whole(self) -> Normalization:
        """The normalization that makes its least value of black and its greatest of white: one step for each pixel."""
        return Normalization(mean=(float(self.zero_point - self.lowest),), scale=(self.scale,))

    def __str__(self) -> str:
        holds = f", which holds {self.low:.4g} to {self.high:.4g}" if self.is_scaled else " without a scale"
        return f"{self.type.lower()} input{holds}"


def range_of(content: bytes) -> Range | None:
    """Of a flatbuffer's first input, or of what its float input is quantized to at once; None for floats."""
    model = schema.read(content)
    graph = model.subgraphs[0]
    for tensor in same_values(model, graph):
        name = schema.type_name(tensor.type)
        if name.startswith(("INT", "UINT")) and name.endswith(("8", "16", "32")):
            return _range(name, tensor.quantization)
    return None


def _range(name: str, quantization: Any) -> Range:
    bounds = np.iinfo(name.lower())
    if (
        quantization is not None
        and quantization.scale is not None
        and len(quantization.scale)
        and quantization.scale[0]
    ):
        zero_points = [] if quantization.zeroPoint is None else list(quantization.zeroPoint)
        scale, zero_point = float(quantization.scale[0]), int(zero_points[0]) if zero_points else 0
        return Range(type=name, scale=scale, zero_point=zero_point, lowest=int(bounds.min), highest=int(bounds.max))
    lowest = int(bounds.min) if bounds.bits == SMALL else 0  # wider integers hold pixels as they are
    return Range(type=name, scale=1.0, zero_point=0, lowest=lowest, highest=lowest + (1 << SMALL) - 1, is_scaled=False)


def proposal(values: Range | None, said: Metadata, *, channels: int) -> Proposal | None:
    """What the file says; None where it says nothing."""
    written = _written(said)
    if values is None:
        return Proposal(normalization=written, why="as its metadata says") if written is not None else None
    why = f"by the range of its {values}"
    if written is not None and not contradiction(values, levels(written)):
        return Proposal(normalization=_or_whole(written, values), why=f"{why}, and as its metadata says")
    chosen = _of_range(values, channels)
    return None if chosen is None else Proposal(normalization=chosen, why=why)


def metadata_against(values: Range | None, said: Metadata) -> str:
    """How metadata contradicts the range, in words; "" where it does not."""
    written = _written(said)
    return "" if written is None or values is None else contradiction(values, levels(written))


def contradiction(values: Range, made: Levels) -> str:
    """Why pixels that become these values are not what the input was made for; "" where they may be."""
    slack = values.scale
    beyond = float(((made < values.low - slack) | (made > values.high + slack)).mean())
    inside = np.clip(made, values.low, values.high)
    used = np.ptp(inside) / (values.high - values.low)
    if not values.is_small:  # symmetric, whatever the input is
        used = np.abs(inside).max() / max(values.high, -values.low)
    if beyond <= CLIPPED and used >= USED:
        return ""
    return f"makes {made.min():.4g} to {made.max():.4g} of pixels"


def levels(normalization: Normalization) -> Levels:
    mean, scale = np.asarray(normalization.mean, float), np.asarray(normalization.scale, float)
    made: Levels = (PIXELS[:, None] - mean) * scale
    return made


def _written(said: Metadata) -> Normalization | None:
    if not said.mean:
        return None
    return Normalization(mean=said.mean, scale=tuple(1 / std for std in said.std))


def _of_range(values: Range, channels: int) -> Normalization | None:
    """The preset whose ends are nearest to those of the range, or the range itself, which has a step for each pixel."""
    fitting = list(_fitting(values, channels))
    if fitting:
        _, name = min(fitting, key=lambda it: it[0])  # of equally near ones the default
        return _or_whole(NORMALIZATIONS[name], values)
    return values.whole if values.is_small else None


def _fitting(values: Range, channels: int) -> Iterator[tuple[float, str]]:
    """(distance, name) of the presets that the range was made for: pictures that calibrate may lack black or white."""
    for name in sorted(NORMALIZATIONS, key=lambda name: name != DEFAULT):
        made = levels(NORMALIZATIONS[name])
        low, high = float(made.min()), float(made.max())
        if not values.is_small:
            most = max(high, -low)
            low, high = -most, most
        width = high - low
        far = abs(values.low - low) / width, abs(values.high - high) / width
        inside = values.low > low - NEAR * width and values.high < high + NEAR * width
        at_one_end = min(far) <= AT_ONE_END and inside and values.high - values.low >= USED * width
        if len(NORMALIZATIONS[name].mean) in (1, channels) and (max(far) <= NEAR or at_one_end):
            yield sum(far), name


def _or_whole(normalization: Normalization, values: Range) -> Normalization:
    """The range itself where it says the same, to a step: a quantized input was trained with its own steps."""
    if not values.is_small:
        return normalization
    steps = levels(normalization) / values.scale + values.zero_point - values.lowest
    same = np.abs(steps - PIXELS[:, None]).max() <= ONE_STEP
    return values.whole if same else normalization
