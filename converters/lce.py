"""The formats with LCE's binary operators, made by rewriting what TFLite's converter makes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from converters import ConversionError
from converters.rewriting.float_layers import binarized_layers
from converters.rewriting.integers import read_integers, write_integers
from converters.rewriting.ranges import give_default_ranges, use_trained_ranges
from converters.rewriting.to_lce import TO_LCE, Rule, rewritten
from converters.schema import NotAnArtifact
from converters.tflite import Calibration, fp32, quantized
from converters.trained_ranges import has_trained_ranges


def lce(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions as LceBconv2d, everything else float32."""
    return _rewritten(fp32(model), TO_LCE)


def lce_int8(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions, everything else int8.

    The ranges are those of the model's fake quantization. A model that has none gets default ranges: then the speed is
    real, and the predictions are not.
    """
    ranges = use_trained_ranges if has_trained_ranges(model) else give_default_ranges
    floats = _rewritten(fp32(model), (*TO_LCE, ranges))
    return _rewritten(quantized(floats, one_scale_for_dense=True), (read_integers, write_integers))


def _rewritten(content: bytes, rules: Iterable[Rule]) -> bytes:
    try:
        return rewritten(content, rules)
    except NotAnArtifact as error:
        raise ConversionError(f"what TFLite's converter made of the model cannot be rewritten: {error}") from error


def note(content: bytes) -> str:
    """What an artifact's reader must know: which binarized layers compute in floats all the same, and why."""
    layers = binarized_layers(content)
    if not layers.in_floats:
        return "" if layers.binary else "no layer is binary: none has signs as its input"
    because: dict[str, list[str]] = {}
    for layer in layers.in_floats:
        because.setdefault(layer.reason, []).append(layer.name)
    reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in because.items())
    if not layers.binary:
        return f"no layer is binary, all compute in float32 ({reasons})"
    count = len(layers.in_floats)
    return f"{count} of {layers.binary + count} binarized layers compute in floats ({reasons})"
