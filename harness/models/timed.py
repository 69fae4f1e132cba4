"""A model file of the user's own that is to be timed and nothing else: its size and its layers, and no questions.

What latency does not depend on is not asked: how pixels become its input, what its outputs are, what its classes mean.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from harness.models.declared import DEFAULT, NORMALIZATIONS, Declared
from harness.models.files import read_model
from harness.outputs import PROBABILITIES, class_count

COLOURS = 3  # channels of an image where the file does not say how many


def load_to_time(model: Model) -> tuple[Model, Any]:
    """A complete record, and the Keras model. What was declared is at most its height and width.

    Raises ConfigError for a file that is no classifier of images, or that leaves the size of its input open.
    """
    keras_model = read_model(model)
    with explained(model):
        check_layers(model, keras_model)
        height, width, channels = _size(model, model.declared or Declared(), keras_model)
        mean, scale = NORMALIZATIONS[DEFAULT].mean, NORMALIZATIONS[DEFAULT].scale
        size = {"height": height, "width": width, "resize": None}
        numbers = {"channel_order": "rgb", "mean": [*mean] * channels, "scale": [*scale] * channels}
        record = {**size, **numbers}
        keras_model = with_ends(replace(model, preprocessing=record), keras_model)
        scores = tuple(keras_model.outputs[0].shape)
        complete = replace(
            model,
            family="binarized" if _is_binarized(keras_model) else "full-precision",
            preprocessing=record,
            classes=class_count(int((scores and scores[-1]) or 0)),
            output=PROBABILITIES,
            declared=None,
        )
    return complete, as_classifier(complete, keras_model)


def _size(model: Model, declared: Declared, keras_model: Any) -> tuple[int, int, int]:
    """Height, width and channels. Subclassed models are the ones that have no ends, and say nothing of their size."""
    shape: tuple[int | None, ...] = (None, None, None)
    if has_ends(keras_model):
        check_ends(model, keras_model)
        shape = tuple(keras_model.inputs[0].shape)[1:]
        check_image(model, shape)
    height, width = declared.height or shape[0], declared.width or shape[1]
    if height is None or width is None:
        problem = f'model "{model.name}": its file leaves the size of its input open: {shape}'
        raise ConfigError(problem, hint="--input-shape 1x224x224x3")
    return height, width, shape[2] or COLOURS


def _is_binarized(keras_model: Any) -> bool:
    """Larq's layers quantize their kernels, those of full-precision twins by nothing."""
    return any(getattr(layer, "kernel_quantizer", None) is not None for layer in layers_of(keras_model))
