"""The stock TFLite formats: fp32, fp16, dynamic, int8 and int8-io."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import ConversionError
from converters.freezing import freeze
from converters.input_range import Levels, has_range, without_ties
from converters.refusals import check_operators, check_scores_are_fixed, first_line, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What ranges of activations are found with.

    images  makes an iterator of preprocessed images (H, W, C).
    levels  (256, C): what preprocessing makes of each pixel value of each channel.
    """

    images: Callable[[], Iterable[NDArray[np.float32]]]
    levels: Levels


def fp32(model: Any, calibration: Calibration | None = None) -> bytes:
    """float32 weights and arithmetic."""
    return _convert(model)


def fp16(model: Any, calibration: Calibration | None = None) -> bytes:
    """float16 weights, dequantized when the interpreter is made."""
    import tensorflow as tf

    def with_half_weights(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    return _convert(model, with_half_weights)


def dynamic(model: Any, calibration: Calibration | None = None) -> bytes:
    """int8 weights; activations are quantized per tensor at run time."""
    import tensorflow as tf

    def with_int8_weights(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    return _convert(model, with_int8_weights)


def int8(model: Any, calibration: Calibration | None = None) -> bytes:
    """Full integer arithmetic between a float input and a float output.

    The input's range is chosen so that rounding decides on no pixel value, unless the model was trained with its own.
    """
    import tensorflow as tf

    if calibration is None:
        raise ConversionError("int8 needs calibration images to find the ranges of activations, and got none")

    def with_integers(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration.images())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter._experimental_calibrate_only = True  # no public switch stops between calibration and quantizer

    content = _convert(model, with_integers)  # what was trained with fake quantization is in integers by now
    return quantized(without_ties(content, calibration.levels)) if has_range(content) else content


def quantized(content: bytes, *, one_scale_for_dense: bool = False) -> bytes:
    """A float flatbuffer in int8 wherever its activations have ranges; custom operators stay between floats.

    By the quantizer inside TFLite's converter, which no public function calls with a flatbuffer.

    one_scale_for_dense  for all weights of a dense layer, as with LCE's converter; otherwise one for each output.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    try:
        return bytes(mlir_quantize(content, disable_per_channel_for_dense_layers=one_scale_for_dense))
    except Exception as error:  # the quantizer raises RuntimeError, ValueError and its own
        raise ConversionError(f"TFLite's quantizer refused the model: {first_line(error)}") from error


def with_int8_ends(content: bytes) -> bytes:
    """An int8 artifact whose input and output are int8 too, without the operators that turned floats into integers."""
    import tensorflow as tf
    from tensorflow.lite.python.util import modify_model_io_type

    try:
        return bytes(modify_model_io_type(content, tf.int8, tf.int8))
    except (ValueError, RuntimeError) as error:
        raise ConversionError(f"the input or output could not be made int8: {first_line(error)}") from error


def scores_function(model: Any) -> Any:
    """The model as a bare function of one image (1, H, W, C), as it runs when deployed."""
    import tensorflow as tf

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    return tf.function(
        lambda image: {"scores": model(image, training=False)}, input_signature=[signature], autograph=False
    )


def traced_scores(model: Any) -> Any:
    """The concrete function of `scores_function`. Raises ConversionError where it draws random numbers."""
    function = scores_function(model).get_concrete_function()
    check_scores_are_fixed(function.graph, model)
    return function


def _convert(model: Any, configure: Callable[[Any], None] = lambda converter: None) -> bytes:
    """The flatbuffer of the model at batch size 1, by a converter that `configure` has set up.

    By the converter that takes a graph: tf.lite.TFLiteConverter freezes again, for as long as the rest takes, and makes
    the same flatbuffer.
    """
    import tensorflow as tf

    function = traced_scores(model)
    try:
        frozen = freeze(function)
        converter = tf.compat.v1.lite.TFLiteConverter(frozen.definition, [frozen.image], [frozen.scores])
        configure(converter)
        content = bytes(converter.convert())
    except Exception as error:  # the converter raises its own, ValueError, RuntimeError and more
        raise refusal(error, function.graph, converter="TFLite") from error
    check_operators(content, function.graph, converter="TFLite", brings="")
    return content
