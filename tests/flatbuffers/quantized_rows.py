"""Rows of one small image model, quantized in every way that the converter knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.flatbuffers.converting import of
from tests.flatbuffers.converting import tensorflow as _tf
from tests.flatbuffers.table import Row


def image_model(x: Any) -> Any:
    """A small one for every way to quantize: no two constants are equal, for equal ones are stored once."""
    tf, random = _tf(), np.random.default_rng(0)
    draw = lambda *shape: tf.constant(random.standard_normal(shape, np.float32))  # noqa: E731
    y = tf.nn.relu(tf.nn.conv2d(x, draw(3, 3, 2, 16), 2, "SAME") + draw(16))
    y = tf.nn.relu(tf.nn.depthwise_conv2d(y, draw(3, 3, 16, 1), [1, 1, 1, 1], "SAME") + draw(16))
    return tf.reshape(y, (1, 4 * 4 * 16)) @ draw(4 * 4 * 16, 10) + draw(10)


INT16 = ("EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8",)
IMAGE = (1, 8, 8, 2)
IMAGE_MACS = 4 * 4 * 16 * 3 * 3 * 2 + 4 * 4 * 16 * 3 * 3 + 4 * 4 * 16 * 10
IMAGE_PARAMETERS = 3 * 3 * 2 * 16 + 16 + 3 * 3 * 16 + 16 + 4 * 4 * 16 * 10 + 10

ROWS: dict[str, Row] = {
    "images in floats": Row(build=of(image_model, IMAGE), macs={"float": IMAGE_MACS}, parameters=IMAGE_PARAMETERS),
    "images with weights in half floats": Row(
        build=of(image_model, IMAGE, smaller=True, half=True),
        macs={"float": IMAGE_MACS},
        parameters=IMAGE_PARAMETERS,
    ),
    "images with weights in int8": Row(
        build=of(image_model, IMAGE, smaller=True),
        # weights of fewer than 1024 numbers stay floats
        macs={"int8": 4 * 4 * 16 * 10, "float": IMAGE_MACS - 4 * 4 * 16 * 10},
        parameters=IMAGE_PARAMETERS,
        timed_by=("ai-edge-litert",),
        reason="FULLY_CONNECTED.*version",
    ),
    "images in int8": Row(
        build=of(image_model, IMAGE, images=IMAGE, sets=("TFLITE_BUILTINS_INT8",)),
        macs={"int8": IMAGE_MACS},
        parameters=IMAGE_PARAMETERS,
    ),
    "images in int8 with uint8 ends": Row(
        build=of(
            image_model,
            IMAGE,
            images=IMAGE,
            sets=("TFLITE_BUILTINS_INT8",),
            inference_input_type="uint8",
            inference_output_type="uint8",
        ),
        macs={"int8": IMAGE_MACS},
        parameters=IMAGE_PARAMETERS,
    ),
    "images in int16": Row(
        build=of(image_model, IMAGE, images=IMAGE, sets=INT16),
        macs={"int16": IMAGE_MACS},
        parameters=IMAGE_PARAMETERS,
    ),
}
