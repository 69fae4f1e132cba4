"""Is this Keras model a classifier of single images, as all that follows supposes? Else one sentence says what it is.

Where only the size of the input was left open, the size of the preprocessing is filled in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from harness.datasets.dataset import MOST_CHANNELS
from harness.errors import BitlensError, ConfigError, one_line
from harness.keras_packages import keras_of, layers_of
from harness.models.catalogue import Model
from harness.models.exported import ExportedModel
from harness.models.flatbuffer_model import FlatbufferModel
from harness.models.own_mode import obey_graph
from harness.outputs import class_count


class OtherSize(ConfigError):
    """The model takes images of another size or other channels than its preprocessing makes."""


def as_classifier(model: Model, keras_model: Any) -> Any:
    """The model from (None, height, width, channels) to (None, classes). Raises ConfigError for no classifier."""
    with explained(model):
        return _as_classifier(model, keras_model)


@contextmanager
def explained(model: Model) -> Iterator[None]:
    """Whatever a layer raises that Keras makes and cannot copy or call becomes a sentence."""
    try:
        yield
    except BitlensError:
        raise
    except Exception as error:
        raise ConfigError(
            f'model "{model.name}": could not be made a classifier of single images ({one_line(error)})',
            hint="a model that Keras itself saves, loads and calls with an image",
        ) from error


def _as_classifier(model: Model, keras_model: Any) -> Any:
    check_layers(model, keras_model)
    keras_model = with_ends(model, keras_model)
    check_ends(model, keras_model)
    _check_input(model, keras_model)
    _check_output(model, keras_model)
    if isinstance(keras_model, FlatbufferModel):
        return keras_model
    if isinstance(keras_model, ExportedModel):
        return keras_model.of_size(_image_shape(model))
    if tuple(keras_model.input_shape) != (None, *_image_shape(model)):
        keras_model = _resized(model, keras_model)
    obey_graph(keras_model, model.name, _image_shape(model))
    return keras_model


def _image_shape(model: Model) -> tuple[int, int, int]:
    record = model.preprocessing
    return record["height"], record["width"], len(record["mean"])


def with_ends(model: Model, keras_model: Any) -> Any:
    """The model with an input and an output: a subclassed one knows its call, and no graph of layers."""
    return keras_model if has_ends(keras_model) else _called(model, keras_model)


def has_ends(keras_model: Any) -> bool:
    return getattr(keras_model, "inputs", None) is not None


def _called(model: Model, keras_model: Any) -> Any:
    keras = keras_of(keras_model)
    image = keras.Input(_image_shape(model), name="image")
    try:
        output = keras_model(image)
    except Exception as error:  # whatever the user's own `call` raises
        raise ConfigError(
            f'model "{model.name}": could not be called with one image {_image_shape(model)} ({one_line(error)})',
            hint="height, width and the length of mean in its [model.preprocessing] table",
        ) from error
    return keras.Model(image, output)


def _resized(model: Model, keras_model: Any) -> Any:
    """The same layers and weights behind an input of a fixed image size and an open batch."""
    keras = keras_of(keras_model)
    image = keras.Input(_image_shape(model), name="image")
    copy = keras.models.clone_model(keras_model, input_tensors=image)
    copy.set_weights(keras_model.get_weights())
    return copy


def check_layers(model: Model, keras_model: Any) -> None:
    for layer in layers_of(keras_model):
        if getattr(layer, "data_format", None) == "channels_first":
            raise ConfigError(
                f'model "{model.name}": layer "{layer.name}" is channels-first (NCHW); TFLite\'s operators are '
                "channels-last (NHWC)",
                hint='build it with data_format="channels_last" and load the same weights: their layout is the same',
            )
        if layer.compute_dtype not in ("float32", None) and layer.compute_dtype.startswith(("float", "bfloat")):
            raise ConfigError(
                f'model "{model.name}": layer "{layer.name}" computes in {layer.compute_dtype}, expected float32',
                hint='build it under keras.mixed_precision.set_global_policy("float32") and load the same weights',
            )


def check_ends(model: Model, keras_model: Any) -> None:
    inputs, outputs = len(keras_model.inputs), len(keras_model.outputs)
    if (inputs, outputs) != (1, 1):
        raise ConfigError(
            f'model "{model.name}": expected one input and one output, got {inputs} and {outputs}',
            hint="keras.Model(one_input, class_scores) cuts a classifier out of a larger model",
        )
    names = getattr(keras_model, "output", None)  # a sequential model of Keras 3 has none, and no dictionary either
    if isinstance(names, dict):
        raise ConfigError(
            f'model "{model.name}": expected class scores, got a dictionary of them, "{", ".join(map(str, names))}"',
            hint="keras.Model(model.inputs, model.outputs[0]) returns the scores themselves",
        )


def _check_input(model: Model, keras_model: Any) -> None:
    expected, got = _image_shape(model), tuple(keras_model.input_shape)[1:]
    if not isinstance(
        keras_model, FlatbufferModel
    ):  # which takes any type and number of images, see device/inference.py
        _check_floats(model, keras_model)
    check_image(model, got)
    if any(g not in (e, None) for g, e in zip(got, expected)):
        raise OtherSize(
            f'model "{model.name}": its preprocessing makes images {expected}, its input is {got}',
            hint="height, width and the length of mean in its [model.preprocessing] table",
        )


def _check_floats(model: Model, keras_model: Any) -> None:
    dtype = np.dtype(getattr(keras_model.inputs[0].dtype, "name", keras_model.inputs[0].dtype)).name
    if dtype != "float32":
        raise ConfigError(
            f'model "{model.name}": expected an input of float32, got {dtype}',
            hint="leave scaling to [model.preprocessing] and give the model a float32 input",
        )
    batch = keras_model.input_shape[0] if isinstance(keras_model, ExportedModel) else None
    if batch not in (None, 1):
        raise ConfigError(
            f'model "{model.name}": its folder takes {batch} images at a time, expected one or any number',
            hint="an input signature (None, height, width, channels), as `model.export` of Keras writes it",
        )


def check_image(model: Model, shape: tuple[int | None, ...]) -> None:
    """Raises ConfigError for an input (without the batch) that is no image (height, width, channels)."""
    if len(shape) != 3:
        what = "vectors" if len(shape) == 1 else f"{len(shape)} dimensions"
        raise ConfigError(
            f'model "{model.name}": expected an input of images (height, width, channels), it takes {what}: {shape}',
            hint="a model of images: a Reshape in front makes an image of a vector",
        )
    height, width, channels = shape
    if _is_channels_first(height, width, channels):
        raise ConfigError(
            f'model "{model.name}": its input {shape} is channels-first (NCHW); images are channels-last (NHWC) here',
            hint='build it with data_format="channels_last" and load the same weights',
        )
    if channels is not None and channels > MOST_CHANNELS:
        raise ConfigError(
            f'model "{model.name}": expected an input of 1 to {MOST_CHANNELS} channels, its input is {shape}'
        )


def _is_channels_first(height: int | None, width: int | None, channels: int | None) -> bool:
    """Three rows of a square, or of as many channels as no image has here: they are its channels."""
    if height is None or channels is None or height > MOST_CHANNELS:
        return False
    return channels > MOST_CHANNELS or (height in (1, 3) and channels not in (1, 3) and channels == width)


def _check_output(model: Model, keras_model: Any) -> None:
    output = tuple(keras_model.output_shape)
    if len(output) != 2:
        raise ConfigError(
            f'model "{model.name}": no classifier head: expected scores (N, {model.classes}), its output is {output}',
            hint="include_top=True, or pooling and a Dense layer of the classes behind it",
        )
    columns = class_count(output[1])
    if model.class_map is not None:
        if max(model.class_map) >= columns:
            raise ConfigError(
                f'model "{model.name}" class_map: expected classes 0 to {columns - 1}, got {max(model.class_map)}'
            )
        return
    if columns != model.classes:
        tells = ", which tells two classes apart: 0 is not, 1 is" if output[1] == 1 else ""
        raise ConfigError(
            f'model "{model.name}": expected class scores (N, {model.classes}), its output is {output}{tells}',
            hint=f"classes = {columns} in its [[model]] table",
        )
