"""A model file of the user's own becomes a complete record: what nobody declared is read from the file, and said.

The file is opened once, with a few images of its data set. The record is the same as if all had been written out by
hand, so that keys do not depend on who wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.datasets.dataset import Dataset
from harness.datasets.geometry import check_channels, fit_image
from harness.errors import ConfigError
from harness.keras_packages import layers_of
from harness.models.catalogue import Model
from harness.models.classifier import (
    OtherSize,
    as_classifier,
    check_ends,
    check_image,
    check_layers,
    explained,
    has_ends,
    with_ends,
)
from harness.models.declared import Declared
from harness.models.exported import ExportedModel
from harness.models.exported_preprocessing import preprocessing_of_graph
from harness.models.files import read_model
from harness.models.findings import Findings, by_own_preprocessing
from harness.models.flatbuffer_completion import check_range, findings_of_flatbuffer, only_measured
from harness.models.flatbuffer_model import FlatbufferModel
from harness.models.flatbuffer_outputs import open_input, why_no_class_scores
from harness.models.inferred import Picture, Record, in_words, only_measured_in_words
from harness.models.label_classes import label_classes
from harness.models.own_preprocessing import own_preprocessing
from harness.models.preprocessing_record import COLOURS, geometry, numbers
from harness.outputs import MOST_IMAGES, class_count, confirmed, found, ranked
from harness.parameters import MOST_SIDE

GREY = 128  # of an image that stands for those of an empty data set, which the plan refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A model with nothing left open, and its Keras model. `said` is one line: what was inferred; "" for nothing."""

    model: Model
    keras_model: Any
    said: str


def complete(model: Model, pictures: Sequence[tuple[str, Picture]], dataset: Dataset | None = None) -> Completed:
    """The record of a model of the user's own, as its file and what was declared say together.

    pictures  a few of its data set, (H, W, C) of any size, each with how a sentence calls it.
    dataset   whose labels are told apart; None where pictures are all there is.
    A flatbuffer that gives no class scores becomes a record that is `unscored`.
    Raises ConfigError for a file that is no classifier of such images, that leaves open what only a person can say, or
    that contradicts what was declared.
    """
    declared = model.declared or Declared()
    opened = read_model(model)
    if isinstance(opened, FlatbufferModel):
        _refuse_what_is_of_keras(model)
    if isinstance(opened, FlatbufferModel) and (shape := open_input(opened.content)):
        raise ConfigError(
            f'model "{model.name}": its file leaves the size of its input open: {shape}',
            hint="the file converted for one size; `bitlens bench` measures it with --input-shape",
        )
    if isinstance(opened, FlatbufferModel) and (why := why_no_class_scores(opened.contents)):
        measured = only_measured(model, declared, opened, why)
        return Completed(model=measured, keras_model=opened, said=only_measured_in_words(measured))
    record, opened, findings = _prepared(model, declared, opened)
    for name, picture in pictures:
        check_channels(picture, len(record["mean"]), name)
    complete_model = replace(
        model,
        family=declared.family or findings.family,
        preprocessing=record,
        classes=_expected_classes(declared, _classes(opened)),
        is_flatbuffer=isinstance(opened, FlatbufferModel),
        declared=None,
    )
    classifier = as_classifier(complete_model, opened)
    complete_model = replace(complete_model, output=_output(complete_model, classifier, findings, pictures))
    labels = label_classes(
        complete_model,
        declared,
        names=findings.names,
        dataset=dataset,
        predict=partial(_predicted, complete_model, classifier),
    )
    said = in_words(complete_model, model, findings, [p for _, p in pictures], of_labels=labels.said)
    if labels.class_map is not None:
        complete_model = replace(complete_model, class_map=labels.class_map, classes=len(labels.class_map))
    if declared.keras is not None:
        complete_model = replace(complete_model, keras=_keras_of(complete_model, declared, pictures))
    return Completed(model=complete_model, keras_model=classifier, said=said)


def _refuse_what_is_of_keras(model: Model) -> None:
    """Raises ConfigError for what would change nothing about a flatbuffer."""
    for name in ("trusted", "module", "quantization_aware"):
        if getattr(model, name):
            raise ConfigError(
                f'model "{model.name}" {name}: is for Keras files, and "{model.weights}" is a flatbuffer',
                hint=f"no {name}: a flatbuffer holds no code and is deployed as it is",
            )


def _prepared(model: Model, declared: Declared, opened: Any) -> tuple[Record, Any, Findings]:
    """The preprocessing record, the model with its ends, and what it says of itself."""
    with explained(model):
        check_layers(model, opened)
        size = _size(model, declared, opened)
        opened = with_ends(replace(model, preprocessing=geometry(declared, *size)), opened)
        findings = _findings(model, declared, opened)
        chosen = numbers(model, declared, findings.own, findings.proposed.normalization, size[2])
        record = {**geometry(declared, *size), **chosen}
        if isinstance(opened, FlatbufferModel):
            check_range(model, declared, opened, record)
    return record, opened, findings


def _findings(model: Model, declared: Declared, opened: Any) -> Findings:
    if isinstance(opened, FlatbufferModel):
        return findings_of_flatbuffer(model, declared, opened)
    if declared.keras is not None or model.reference is not None:
        name = "keras" if declared.keras is not None else "reference"
        raise ConfigError(
            f'model "{model.name}" {name}: is for flatbuffers (.tflite), and "{model.weights}" is none',
            hint="artifacts of a Keras file are compared with itself",
        )
    own = (preprocessing_of_graph if isinstance(opened, ExportedModel) else own_preprocessing)(opened)
    family = "binarized" if _is_binarized(opened) else "full-precision"
    return Findings(family=family, own=own, proposed=by_own_preprocessing(declared, own))


def _keras_of(model: Model, declared: Declared, pictures: Sequence[tuple[str, Picture]]) -> Model:
    """The record of the Keras file beside a flatbuffer: under its name, with its preprocessing and its classes.

    Raises ConfigError for what is no Keras file of such images, and for a model of other classes.
    """
    record = model.preprocessing
    beside = replace(
        model,
        weights=str(declared.keras),
        output="",
        class_map=None,
        is_flatbuffer=False,
        reference=None,
        declared=replace(
            declared,
            family=None,
            classes=None,
            height=record["height"],
            width=record["width"],
            channel_order=record["channel_order"],
            normalization=None,
            mean=tuple(record["mean"]),
            scale=tuple(record["scale"]),
            on_top=True,
            background=False,
            class_map=None,
            keras=None,
        ),
    )
    try:
        done = complete(beside, pictures).model
    except OtherSize as error:
        size = "x".join(str(side) for side in (record["height"], record["width"], len(record["mean"])))
        raise ConfigError(
            f'model "{model.name}" keras: expected a model that takes {size}, as its flatbuffer does, '
            f'"{declared.keras}" takes another size',
            hint="the Keras file that the flatbuffer was converted from",
        ) from error
    except ConfigError as error:
        said = str(error).removeprefix(f'model "{model.name}"').removeprefix(" path").removeprefix(": ")
        raise ConfigError(f'model "{model.name}" keras: of "{declared.keras}": {said}') from error
    if done.is_flatbuffer:
        raise ConfigError(f'model "{model.name}" keras: expected a Keras file, "{declared.keras}" is a flatbuffer')
    if done.classes == model.classes:
        return done
    if model.class_map is None or max(model.class_map) >= done.classes:
        raise ConfigError(
            f'model "{model.name}" keras: expected a model of {model.classes} classes, '
            f'"{declared.keras}" has {done.classes}'
        )
    return replace(done, class_map=model.class_map, classes=model.classes)


# ----------------------------------------------------------------------------------------------------- what a file says
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
    if max(height, width) > MOST_SIDE:
        raise ConfigError(f'model "{model.name}": expected an input of 1 to {MOST_SIDE} pixels a side, it is {shape}')
    said = max(len(declared.mean or ()), len(declared.scale or ()))
    return height, width, shape[2] or said or COLOURS


def _built_for(keras_model: Any) -> tuple[int | None, ...]:
    """What a subclassed model was called with before it was saved, as far as its Keras kept that."""
    shape = getattr(keras_model, "_build_input_shape", None)
    if shape is None:
        shapes = getattr(keras_model, "_build_shapes_dict", None) or {}
        shape = next(iter(shapes.values())) if len(shapes) == 1 else None
    return tuple(shape)[1:] if shape is not None and len(shape) == 4 else (None, None, None)


def _expected_classes(declared: Declared, own: int) -> int:
    """How many classes a model has to have: a person may count those alone that labels have."""
    labelled = len(declared.class_map) if declared.class_map else own - 1 if declared.background else own
    return own if declared.classes in (None, labelled) else declared.classes or own


def _classes(keras_model: Any) -> int:
    scores = tuple(
        keras_model.output_shape if isinstance(keras_model, FlatbufferModel) else keras_model.outputs[0].shape
    )
    return class_count(int((scores and scores[-1]) or 0))


def _output(model: Model, opened: Any, findings: Findings, pictures: Sequence[tuple[str, Picture]]) -> str:
    """What its outputs are: by the operator that makes them, or by their values on the pictures."""
    fitted = [fit_image(picture, model.preprocessing, name=name) for name, picture in pictures[:MOST_IMAGES]]
    fitted = fitted or [np.full(opened.input_shape[1:], GREY, np.uint8)]

    def outputs_of(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(opened(images, training=False))

    inputs = preprocess(np.stack(fitted), model.preprocessing)
    if findings.kind:
        return confirmed(findings.kind, outputs_of(inputs), name=model.name, declared=model.output)
    return found(outputs_of, inputs, name=model.name, declared=model.output)


def _predicted(model: Model, opened: Any, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N,) the class of each image."""
    batches = (pixels[first : first + MOST_IMAGES] for first in range(0, len(pixels), MOST_IMAGES))
    outputs = [np.asarray(opened(preprocess(batch, model.preprocessing), training=False)) for batch in batches]
    return ranked(np.concatenate(outputs), model.output)[:, 0]


def _is_binarized(keras_model: Any) -> bool:
    """Larq's layers quantize their kernels, those of full-precision twins by nothing."""
    return any(getattr(layer, "kernel_quantizer", None) is not None for layer in layers_of(keras_model))
