"""Turns a catalogue record into a Keras model: builds or reads it, loads its weights, checks that it classifies."""
from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from harness.catalogue import Model
from harness.errors import BitlensError, ConfigError
from harness.tables import resolve


def load_model(model: Model) -> Any:
    """The Keras model with its weights.

    Raises  ConfigError for a file that is missing, not a model, unsafe, or not a classifier of one colour image;
            BitlensError when the hub of pretrained weights is out of reach.
    """
    if model.build:
        keras_model = _build(model)
    else:
        keras_model = _read_file(model)
    _check_shapes(model, keras_model)
    return keras_model


def _build(model: Model) -> Any:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(model.seed)
    builder = resolve(model.build)
    height, width = model.preprocessing["height"], model.preprocessing["width"]
    if model.weights == "imagenet":
        return _from_hub(model, builder)
    arguments = {"weights": None, "input_shape": (height, width, len(model.preprocessing["mean"]))}
    classes_name = "num_classes" if "num_classes" in inspect.signature(builder).parameters else "classes"
    keras_model = builder(**arguments, **{classes_name: model.classes})
    if model.weights_path is not None:
        _load_weights(keras_model, model)
    return keras_model


def _from_hub(model: Model, builder: Any) -> Any:
    try:
        return builder(weights="imagenet")
    except Exception as error:  # the hub's clients raise anything from URLError to ValueError
        raise BitlensError(
            f'model "{model.name}": the ImageNet weights could not be fetched ({type(error).__name__}: {error})',
            hint='weights = "random" for latency alone, or weights = "FILE.h5" with a copy of the weights',
        ) from error


def _load_weights(keras_model: Any, model: Model) -> None:
    path = model.weights_path
    try:
        keras_model.load_weights(path)
    except Exception as error:  # h5py and Keras raise OSError, ValueError, KeyError and more
        raise ConfigError(
            f'model "{model.name}": the weights in "{path}" do not fit this architecture ({error})',
            hint="the file that `model.save_weights` of this very architecture wrote",
        ) from error


def _read_file(model: Model) -> Any:
    import larq  # noqa: F401  # registers the quantized layers
    import tensorflow as tf

    path = Path(model.weights)
    if not path.exists():
        raise ConfigError(f'model "{model.name}" path: expected a model, found no file "{path}"')
    if path.suffix not in (".h5", ".keras") and not (path / "saved_model.pb").is_file():
        raise ConfigError(
            f'model "{model.name}" path: expected an .h5 or .keras file or a SavedModel folder, got "{path}"'
        )
    if not model.trusted:
        _refuse_code(model.name, path)
    try:
        return tf.keras.models.load_model(path, compile=False, safe_mode=not model.trusted)
    except Exception as error:
        raise ConfigError(f'model "{model.name}": "{path}" could not be read as a Keras model ({error})') from error


def _refuse_code(name: str, path: Path) -> None:
    if "Lambda" in _layer_classes(path):
        raise ConfigError(
            f'model "{name}": "{path}" holds a Lambda layer, which runs Python code from the file when it is loaded',
            hint="trusted = true in its [[model]] table, if you know where the file comes from",
        )


def _layer_classes(path: Path) -> set[str]:
    """The class names of all layers that the file's own configuration mentions."""
    if path.suffix == ".h5":
        import h5py

        try:
            with h5py.File(path) as file:
                text = file.attrs.get("model_config", "{}")
        except OSError:
            return set()  # reading it fails again, and is reported, where the model is loaded
        return _class_names(json.loads(text))
    return set()  # Keras refuses code in .keras files by itself; a SavedModel holds a graph, not Python


def _class_names(config: Any) -> set[str]:
    if isinstance(config, dict):
        own = {config["class_name"]} if isinstance(config.get("class_name"), str) else set()
        return own.union(*map(_class_names, config.values()))
    if isinstance(config, list):
        return set().union(*map(_class_names, config))
    return set()


def _check_shapes(model: Model, keras_model: Any) -> None:
    if len(keras_model.inputs) != 1 or len(keras_model.outputs) != 1:
        raise ConfigError(
            f'model "{model.name}": expected one input and one output, '
            f"got {len(keras_model.inputs)} and {len(keras_model.outputs)}"
        )
    record = model.preprocessing
    expected = (None, record["height"], record["width"], len(record["mean"]))
    got = tuple(keras_model.input_shape)
    if len(got) != 4 or any(g not in (e, None) for g, e in zip(got, expected)):
        raise ConfigError(f'model "{model.name}": its preprocessing makes images {expected[1:]}, its input is {got[1:]}')
    output = tuple(keras_model.output_shape)
    if len(output) != 2 or output[1] != model.classes:
        raise ConfigError(f'model "{model.name}": expected class scores (N, {model.classes}), its output is {output}')
