"""A model file of the user's own becomes a complete record: what nobody declared is read from the file, and said.

The file is opened once, with a few images of its data set. The record is the same as if all had been written out by
hand, so that keys do not depend on who wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.datasets.geometry import check_channels, fit_image
from harness.errors import ConfigError
from harness.keras_packages import layers_of
from harness.models.catalogue import Model
from harness.models.classifier import (
    as_classifier,
    check_ends,
    check_image,
    check_layers,
    explained,
    has_ends,
    with_ends,
)
from harness.models.declared import CROP, DEFAULT, NONE, NORMALIZATIONS, PAD, Declared
from harness.models.exported import ExportedModel
from harness.models.exported_preprocessing import preprocessing_of_graph
from harness.models.files import read_model
from harness.models.flatbuffer_model import FlatbufferModel
from harness.models.own_preprocessing import OwnPreprocessing, own_preprocessing
from harness.outputs import KINDS, MOST_IMAGES, class_count, found

WIDEST = 2 * 255  # what a model makes of black to white at most where it prepares pixels: some make -255 to 255
GREY = 128  # of an image that stands for those of an empty data set, which the plan refuses
COLOURS = 3  # channels of an image where neither the file nor a mean says how many

Picture = NDArray[np.uint8]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A model with nothing left open, and its Keras model. `said` is one line: what was inferred; "" for nothing."""

    model: Model
    keras_model: Any
    said: str


def complete(model: Model, pictures: Sequence[tuple[str, Picture]]) -> Completed:
    """The record of a model of the user's own, as its file and what was declared say together.

    pictures  a few of its data set, (H, W, C) of any size, each with how a sentence calls it.
    Raises ConfigError for a file that is no classifier of such images, that leaves open what only a person can say, or
    that contradicts what was declared.
    """
    declared = model.declared or Declared()
    keras_model = read_model(model)
    with explained(model):
        check_layers(model, keras_model)
        height, width, channels = _size(model, declared, keras_model)
        keras_model = with_ends(replace(model, preprocessing=_geometry(declared, height, width, channels)), keras_model)
        own = _own(keras_model)
        numbers = _numbers(model, declared, own, channels)
        complete_model = replace(
            model,
            family=declared.family or ("binarized" if _is_binarized(keras_model) else "full-precision"),
            preprocessing={**_geometry(declared, height, width, channels), **numbers},
            classes=declared.classes or _classes(keras_model),
            is_flatbuffer=isinstance(keras_model, FlatbufferModel),
            declared=None,
        )
    for name, picture in pictures:
        check_channels(picture, channels, name)
    keras_model = as_classifier(complete_model, keras_model)
    complete_model = replace(complete_model, output=_output(complete_model, keras_model, pictures))
    said = _said(complete_model, model, own, [picture for _, picture in pictures])
    return Completed(model=complete_model, keras_model=keras_model, said=said)


# ----------------------------------------------------------------------------------------------------- what a file says
def _own(keras_model: Any) -> OwnPreprocessing:
    if isinstance(keras_model, FlatbufferModel):
        return OwnPreprocessing()
    look = preprocessing_of_graph if isinstance(keras_model, ExportedModel) else own_preprocessing
    return look(keras_model)


def _size(model: Model, declared: Declared, keras_model: Any) -> tuple[int, int, int]:
    """Height, width and channels of its images. Where both say something, the classifier's checks compare it."""
    if has_ends(keras_model):
        check_ends(model, keras_model)
        shape = tuple(keras_model.inputs[0].shape)[1:]
    else:
        shape = _built_for(keras_model)
    check_image(model, shape)
    height, width = declared.height or shape[0], declared.width or shape[1]
    if height is None or width is None:
        raise ConfigError(
            f'model "{model.name}": its file leaves the size of its input open: {shape}',
            hint="height = 224 and width = 224 in its [model.preprocessing] table, or --size 224",
        )
    said = max(len(declared.mean or ()), len(declared.scale or ()))
    return height, width, shape[2] or said or COLOURS


def _built_for(keras_model: Any) -> tuple[int | None, ...]:
    """What a subclassed model was called with before it was saved, as far as its Keras kept that."""
    shape = getattr(keras_model, "_build_input_shape", None)
    if shape is None:
        shapes = getattr(keras_model, "_build_shapes_dict", None) or {}
        shape = next(iter(shapes.values())) if len(shapes) == 1 else None
    return tuple(shape)[1:] if shape is not None and len(shape) == 4 else (None, None, None)


def _classes(keras_model: Any) -> int:
    scores = tuple(keras_model.outputs[0].shape)
    return class_count(int((scores and scores[-1]) or 0))


def _output(model: Model, keras_model: Any, pictures: Sequence[tuple[str, Picture]]) -> str:
    """What its outputs are, by their values on the pictures."""
    fitted = [fit_image(picture, model.preprocessing, name=name) for name, picture in pictures[:MOST_IMAGES]]
    fitted = fitted or [np.full(keras_model.input_shape[1:], GREY, np.uint8)]

    def outputs_of(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(keras_model(images, training=False))

    return found(outputs_of, preprocess(np.stack(fitted), model.preprocessing), name=model.name, declared=model.output)


def _is_binarized(keras_model: Any) -> bool:
    """Larq's layers quantize their kernels, those of full-precision twins by nothing."""
    return any(getattr(layer, "kernel_quantizer", None) is not None for layer in layers_of(keras_model))


# ----------------------------------------------------------------------------------------------------------- the record
def _geometry(declared: Declared, height: int, width: int, channels: int) -> Record:
    """What differs from the defaults alone: a record says no more than it must, and older ones mean the same."""
    record: Record = {"height": height, "width": width, "resize": declared.resize, "mean": [0.0] * channels}
    fit = declared.fit or CROP
    if fit == CROP and height == width:
        record["resize"] = declared.resize or height  # to cover a square is to give the shorter side its length
    if fit != CROP:
        record["fit"] = fit
    if fit == PAD:
        record["pad_colour"] = list(declared.pad_colour or (0,))
    if declared.interpolation not in (None, "bilinear"):
        record["interpolation"] = declared.interpolation
    return record


def _numbers(model: Model, declared: Declared, own: OwnPreprocessing, channels: int) -> Record:
    """Channel order, mean and scale."""
    preset = NORMALIZATIONS[declared.normalization or _default(declared, own)]
    order = declared.channel_order or preset.order
    if order == "bgr" and channels != COLOURS:
        raise ConfigError(f'model "{model.name}": blue first means three channels, its input has {channels}')
    mean, scale = preset.in_order(order)
    mean, scale = declared.mean or mean, declared.scale or scale
    if (declared.normalization, declared.mean, declared.scale) == (None, None, None) and own.width > WIDEST:
        raise ConfigError(
            f'model "{model.name}": it {own}: wider than pixels are, so it may take pixels that are scaled already',
            hint='normalization = "unit" and on_top = true (--on-top) if it takes 0 to 1; normalization = "none" if it '
            "takes the pixels themselves",
        )
    record = {
        "channel_order": order,
        "mean": _per_channel(model, declared, "mean", mean, channels),
        "scale": _per_channel(model, declared, "scale", scale, channels),
    }
    scales = any(record["mean"]) or any(number != 1 for number in record["scale"])
    if not declared.on_top and ((own.scales and scales) or (own.reorders and order == "bgr")):
        raise ConfigError(
            f'model "{model.name}": it {own}, and its preprocessing record does so once more',
            hint='normalization = "none" (--normalization none), or on_top = true (--on-top) if it was trained so',
        )
    return record


def _default(declared: Declared, own: OwnPreprocessing) -> str:
    return NONE if own.scales and declared.mean is None and declared.scale is None else DEFAULT


def _per_channel(model: Model, declared: Declared, name: str, numbers: tuple[float, ...], channels: int) -> list[float]:
    if len(numbers) not in (1, channels):
        what = f'normalization = "{declared.normalization}"' if declared.normalization else name
        raise ConfigError(
            f'model "{model.name}": expected one number of {name}, or one for each of {channels} '
            f"channel{'s' * (channels > 1)}, {what} has {len(numbers)}"
        )
    return list(numbers) * channels if len(numbers) == 1 else list(numbers)


# --------------------------------------------------------------------------------------------------------- what is said
def _said(model: Model, before: Model, own: OwnPreprocessing, pictures: Sequence[Picture]) -> str:
    declared = before.declared or Declared()
    parts = [*_read(model, declared), *_prepared(model, declared, own), *_fitted(model, declared, pictures)]
    if not before.output:
        parts.append(f"its outputs are {KINDS[model.output]} (`output` changes it)")
    return f'model "{model.name}": {"; ".join(parts)}' if parts else ""


def _read(model: Model, declared: Declared) -> Iterator[str]:
    record, read = model.preprocessing, []
    if declared.height is None or declared.width is None:
        read.append(f"input {record['height']}x{record['width']}x{len(record['mean'])}")
    if declared.classes is None:
        read.append(f"{model.classes} classes")
    if declared.family is None:
        read.append(model.family)
    if read:
        yield f"its file says {', '.join(read)}"


def _prepared(model: Model, declared: Declared, own: OwnPreprocessing) -> Iterator[str]:
    if str(own):
        yield f"it {own}"
    if declared.normalization is None and (declared.mean is None or declared.scale is None):
        why = "since it does so itself" if own.scales else "by default, which no file says"
        yield f"input = {arithmetic(model.preprocessing)} {why} (`normalization` changes it)"


def _fitted(model: Model, declared: Declared, pictures: Sequence[Picture]) -> Iterator[str]:
    record, channels = model.preprocessing, len(model.preprocessing["mean"])
    sizes = {picture.shape[:2] for picture in pictures}
    if declared.fit is None and declared.resize is None and sizes - {(record["height"], record["width"])}:
        yield "pictures are scaled to cover the input and cropped at the centre (`fit` changes it)"
    if declared.fit == PAD and declared.pad_colour is None:
        yield "pictures are padded with black (`pad_colour` changes it)"
    here = {picture.shape[2] for picture in pictures} - {channels}
    if here:
        yield "colours become greys" if channels == 1 else "greys are repeated in three channels"


def arithmetic(record: Record) -> str:
    """ "(pixels - 127.5) / 127.5", or with numbers for each channel where they differ."""
    mean, scale = _short(record["mean"]), _short(record["scale"])
    pixels = "pixels" if mean == "0" else f"(pixels - {mean})"
    if scale == "1":
        return pixels
    if len(set(record["scale"])) == 1 and record["scale"][0]:
        inverse = 1 / record["scale"][0]
        if abs(inverse - round(inverse, 1)) < 1e-6 * inverse:
            return f"{pixels} / {inverse:.6g}"
    return f"{pixels} * {scale}"


def _short(values: Sequence[float]) -> str:
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"
