"""The formats with LCE's binary operators, made by rewriting what TFLite's converter makes."""

from __future__ import annotations

from typing import Any

from converters import ConversionError, lce_original
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
