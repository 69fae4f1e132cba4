"""Flatbuffers of strangers: a model whose answer is known without running it, in every type and with metadata."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters import schema
from tests.harness.strangers.inputs import QUARTERS, brightest_quarter, pictures

SHAPE = (16, 16, 3)
# Packed by tflite-support's own schema: one image (mean, std) and one output with "labels.txt".
METADATA = {
    "tf": bytes.fromhex(
        "1c0000004d303031140010000c000000000008000000000000000400140000000c000000140000001801000005000000312e302e30000000"
        "01000000100000000c000c0000000000080004000c000000080000007c0000000100000018000000000012000c0008000000000000000000"
        "00000400120000000800000044000000010000001000000000000a0010000c00080007000a00000000000002080000001000000006000000"
        "6c6162656c7300000a0000006c6162656c732e74787400000b00000070726f626162696c69747900010000001400000000000e000c000800"
        "00000000000004000e0000000800000044000000010000000c00000008000c000b00040008000000100000000000000108000c0008000400"
        "08000000080000000c000000010000000000ff42010000000000ff4205000000696d61676500000008000000717561727465727300000000"
    ),
    "torch": bytes.fromhex(
        "1c0000004d303031140010000c000000000008000000000000000400140000000c000000140000002801000005000000312e302e30000000"
        "01000000100000000c000c0000000000080004000c000000080000007c0000000100000018000000000012000c0008000000000000000000"
        "00000400120000000800000044000000010000001000000000000a0010000c00080007000a00000000000002080000001000000006000000"
        "6c6162656c7300000a0000006c6162656c732e74787400000b00000070726f626162696c69747900010000001400000000000e000c000800"
        "00000000000004000e0000000800000054000000010000000c00000008000c000b00040008000000100000000000000108000c0008000400"
        "080000000800000014000000030000007b946942e17a644200806542030000009a59f7425c8fe8425c0fcf4205000000696d616765000000"
        "08000000717561727465727300000000"
    ),
}


def converted(model: Any, kind: str = "float32", *, make: Callable[[], Sequence[Any]] | None = None) -> bytes:
    """As TFLite's converter makes it, with an input and output of this type.

    make  images (1, H, W, C) that calibrate, as the model takes them.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in (make or black_and_white)())
        sets = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if kind == "int16"
            else sets.TFLITE_BUILTINS_INT8
        ]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
    content: bytes = converter.convert()
    return content


def black_and_white(low: float = -1.0, high: float = 1.0) -> list[Any]:
    """All that a model may see, from black to white, and the pictures."""
    shades = [np.full((1, *SHAPE), value, np.float32) for value in (low, high)]
    return [*shades, *(np.float32(low + (high - low) * picture[None] / 255.0) for picture in pictures(SHAPE))]


def quarters(kind: str = "float32", *, low: float = -1.0, high: float = 1.0) -> bytes:
    """The brightest quarter of a picture, of inputs from `low` to `high`."""
    import tf_keras

    return converted(brightest_quarter(tf_keras, SHAPE), kind, make=lambda: black_and_white(low, high))


def with_background(kind: str = "float32") -> bytes:
    """The same with a class 0 that is none of the quarters, and never the answer."""
    import tf_keras

    image = tf_keras.Input(SHAPE)
    means = tf_keras.layers.AveragePooling2D((SHAPE[0], SHAPE[1] // QUARTERS))(image)
    head = tf_keras.layers.Dense(QUARTERS + 1, activation="softmax")
    model = tf_keras.Model(image, head(tf_keras.layers.Flatten()(means)))
    weights = np.repeat(np.eye(QUARTERS), SHAPE[2], axis=0) / SHAPE[2] * 4
    head.set_weights([np.pad(weights, ((0, 0), (1, 0))), np.array([-20.0, 0, 0, 0, 0])])
    return converted(model, kind)


def with_metadata(content: bytes, packed: bytes, labels: Sequence[str] = ()) -> bytes:
    """The file as a metadata writer leaves it: one more buffer, and an archive behind the end."""
    model, types = schema.read(content), schema.objects()
    buffer, entry = types.BufferT(), types.MetadataT()
    buffer.data = np.frombuffer(packed, np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [*(model.metadata or ()), entry]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("labels.txt", "\n".join(labels) + "\n")
    return schema.write(model) + archive.getvalue()


def written(folder: Path, content: bytes, name: str = "theirs.tflite") -> Path:
    (folder / name).write_bytes(content)
    return folder / name
