"""The formats with LCE's binary operators, made by rewriting what TFLite's converter makes."""

from __future__ import annotations

from typing import Any

from converters import ConversionError, lce_original
from converters.rewriting.float_layers import binarized_layers
from converters.rewriting.to_lce import to_lce
from converters.schema import NotAnArtifact
from converters.tflite import Calibration, fp32


def lce(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions as LceBconv2d, everything else float32."""
    try:
        return to_lce(fp32(model))
    except NotAnArtifact as error:
        raise ConversionError(f"what TFLite's converter made of the model cannot be rewritten: {error}") from error


def lce_int8(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions, everything else int8."""
    return lce_original.lce_int8(model, calibration)


def note(content: bytes) -> str:
    """What an artifact's reader must know: which binarized layers compute in floats all the same, and why."""
    layers = binarized_layers(content)
    if not layers.in_floats:
        return "" if layers.binary else "no layer is binary: the model has none that takes signs"
    because: dict[str, list[str]] = {}
    for layer in layers.in_floats:
        because.setdefault(layer.reason, []).append(layer.name)
    reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in because.items())
    if not layers.binary:
        return f"no layer is binary, all compute in floats ({reasons})"
    count = len(layers.in_floats)
    return f"{count} of {layers.binary + count} binarized layers compute in floats ({reasons})"
