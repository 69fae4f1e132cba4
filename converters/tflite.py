"""The stock TFLite formats: fp32, fp16, dynamic and int8."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import ConversionError

Calibration = Callable[[], Iterable[NDArray[np.float32]]]


def fp32(model: Any, calibration: Calibration | None = None) -> bytes:
    """float32 weights and arithmetic."""
    return _convert(_converter(model))


def fp16(model: Any, calibration: Calibration | None = None) -> bytes:
    """float16 weights, dequantized when the interpreter is made."""
    import tensorflow as tf

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _convert(converter)


def dynamic(model: Any, calibration: Calibration | None = None) -> bytes:
    """int8 weights; activations are quantized per tensor at run time."""
    import tensorflow as tf

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return _convert(converter)


def int8(model: Any, calibration: Calibration | None = None) -> bytes:
    """Full integer arithmetic between a float input and a float output.

    calibration  makes an iterator of preprocessed images (H, W, C), from which the ranges of activations are found.
    """
    import tensorflow as tf

    if calibration is None:
        raise ConversionError("int8 needs calibration images to find the ranges of activations, and got none")
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return _convert(converter)


def _converter(model: Any) -> Any:
    """A converter of the model's concrete function at batch size 1.

    Without the model argument of from_concrete_functions: the flatbuffer is the same, and made ten times faster.
    """
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_concrete_functions([scores_function(model).get_concrete_function()])


def scores_function(model: Any) -> Any:
    """The model as a bare function of one image (1, H, W, C), as it runs when deployed."""
    import tensorflow as tf

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    return tf.function(lambda image: {"scores": model(image, training=False)}, input_signature=[signature])


def _convert(converter: Any) -> bytes:
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises its own, ValueError, RuntimeError and more
        raise ConversionError(f"TFLite's converter refused the model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
