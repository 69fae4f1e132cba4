"""Larq Compute Engine's own converter, where its package is installed: what ours is compared with."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

from converters import ConversionError
from converters.freezing import freeze
from converters.refusals import check_operators, refusal
from converters.rewriting.ranges import DEFAULT_RANGE
from converters.tflite import Calibration, traced_scores
from converters.trained_ranges import has_trained_ranges

OPERATORS = "Lce"  # what the names of LCE's own operators begin with


def lce(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions as LceBconv2d, everything else float32."""
    return _convert(model)


def lce_int8(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions, everything else int8.

    The ranges are those of the model's fake quantization. A model that has none gets default ranges: then the speed is
    real, and the predictions are not.
    """
    if has_trained_ranges(model):
        return _convert(model)
    return _convert(model, experimental_default_int8_range=DEFAULT_RANGE)


def _convert(model: Any, **options: Any) -> bytes:
    """Through a SavedModel of the bare function: LCE's convert_keras_model saves every layer, three times slower."""
    try:
        import larq_compute_engine
    except ImportError:
        raise ConversionError(
            "Larq Compute Engine is not installed; it has packages for x86_64 Linux and arm64 macOS",
            hint="the format lce, which needs none of it",
        ) from None
    function = traced_scores(model)
    with tempfile.TemporaryDirectory(prefix="bitlens-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that default ranges are for latency only, the format's restriction says
        try:
            _save(freeze(function).function(), folder)
            content = bytes(larq_compute_engine.convert_saved_model(folder, **options))
        except Exception as error:  # MLIR's errors arrive as plain Exception
            raise refusal(error, function.graph, converter="LCE") from error
    check_operators(content, function.graph, converter="LCE", brings=OPERATORS)
    return content


def _save(function: Any, folder: str) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.scores = function
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # an artifact needs none
    tf.saved_model.save(module, folder, signatures=module.scores, options=options)
