"""The formats of Larq Compute Engine: binary operators for the binarized layers."""
from __future__ import annotations

import tempfile
from typing import Any

from converters import ConversionError
from converters.tflite import Calibration, scores_function

# LCE's documented stand-in where a network was not trained for int8: wide enough for normalised activations.
DEFAULT_INT8_RANGE = (-3.0, 3.0)


def lce(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions as LceBconv2d, everything else float32."""
    return _convert(model)


def lce_int8(model: Any, calibration: Calibration | None = None) -> bytes:
    """Binary convolutions, everything else int8 with default ranges: the speed is real, the predictions are not."""
    return _convert(model, experimental_default_int8_range=DEFAULT_INT8_RANGE)


def _convert(model: Any, **options: Any) -> bytes:
    """Through a SavedModel of the bare function: LCE's own convert_keras_model saves every layer, three times slower."""
    try:
        import larq_compute_engine
    except ImportError:
        raise ConversionError(
            "Larq Compute Engine is not installed; it has packages for x86_64 Linux and arm64 macOS"
        ) from None
    with tempfile.TemporaryDirectory(prefix="bitlens-") as folder:
        _save(model, folder)
        try:
            return bytes(larq_compute_engine.convert_saved_model(folder, **options))
        except Exception as error:  # MLIR's errors arrive as plain Exception
            raise ConversionError(f"LCE's converter refused the model: {error}") from error


def _save(model: Any, folder: str) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.variables_of_model = model.variables  # a SavedModel keeps what its module owns
    module.scores = scores_function(model)
    tf.saved_model.save(module, folder, signatures=module.scores)
