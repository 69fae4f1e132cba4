"""Turns a catalogue record into a Keras model: builds or reads it, loads its weights, checks that it classifies."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from harness.errors import BitlensError, ConfigError, one_line
from harness.keras_packages import import_larq, is_installed, larq_missing
from harness.models.catalogue import Model
from harness.models.classifier import as_classifier
from harness.models.files import read_model
from harness.models.safety import examined
from harness.registry import resolve


def load_model(model: Model) -> Any:
    """The Keras model with its weights, from one float image (height, width, channels) to class scores.

    Raises  ConfigError for a file that is missing, not a model, unsafe, or not a classifier of one image;
            BitlensError when the hub of pretrained weights is out of reach.
    """
    return as_classifier(model, _build(model) if model.build else read_model(model))


def check_installed(models: Iterable[Model]) -> None:
    """Raises ConfigError where models of these need Larq and it is not installed: before a run rather than within."""
    lacking = [model.name for model in models if not all(map(is_installed, model.packages))]
    if lacking:
        raise larq_missing(f"models ({', '.join(lacking)})")


def _build(model: Model) -> Any:
    import tf_keras

    check_installed([model])
    if model.packages:
        import_larq()
    tf_keras.backend.reset_uids()  # or the numbers in layers' names would depend on what was built before
    tf_keras.utils.set_random_seed(model.seed)
    builder = resolve(model.build)
    if model.weights == "imagenet":
        return _from_hub(model, builder)
    height, width = model.preprocessing["height"], model.preprocessing["width"]
    arguments = {"weights": None, "input_shape": (height, width, len(model.preprocessing["mean"]))}
    classes_name = "num_classes" if "num_classes" in inspect.signature(builder).parameters else "classes"
    keras_model = builder(**arguments, **{classes_name: model.classes})
    _load_weights(keras_model, model)
    return keras_model


def _from_hub(model: Model, builder: Any) -> Any:
    try:
        return builder(weights="imagenet")
    except Exception as error:  # the hub's clients raise anything from URLError to ValueError
        raise BitlensError(
            f'model "{model.name}": the ImageNet weights could not be fetched '
            f"({type(error).__name__}: {one_line(error)})",
            hint='weights = "random" for latency alone, or weights = "FILE.h5" with a copy of the weights',
        ) from error


def _load_weights(keras_model: Any, model: Model) -> None:
    path = model.weights_path
    if path is None:
        return
    ours = model.weights == "trained"
    try:
        with nullcontext(path) if ours else _weights_of(model, path) as file:
            keras_model.load_weights(file)
    except ConfigError:
        raise
    except Exception as error:  # h5py and Keras raise OSError, ValueError, KeyError and more
        raise ConfigError(
            f'model "{model.name}": the weights in "{path}" do not fit this architecture ({one_line(error)})',
            hint="a file written by `model.save_weights` of this architecture",
        ) from error


@contextmanager
def _weights_of(model: Model, path: Path) -> Iterator[Path]:
    """A file of the user's own for an architecture of ours, after it was examined."""
    with examined(model.name, path, trusted=model.trusted) as file:
        yield file.path
