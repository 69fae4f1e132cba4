"""Reads a model of the user's own: a file or folder of either Keras, or a SavedModel, after it was examined."""

from __future__ import annotations

import inspect
import math
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, one_line
from harness.keras_packages import KERAS_2, import_larq, is_installed, keras_package, larq_missing
from harness.models.catalogue import Model
from harness.models.containers import HDF5, SAVED_MODEL, TFLITE
from harness.models.exported import read_exported
from harness.models.flatbuffer_model import read_flatbuffer
from harness.models.modules import objects_of
from harness.models.origin import Origin
from harness.models.refusals import words
from harness.models.safety import Examined, examined, foreign_parts, unreadable

_CAUSE = "Exception encountered: "  # what Keras 3 puts before what went wrong, after a long account of where
_LOADING = threading.Lock()  # what is counted is of one model
_SLACK = 16 * 2**20  # bytes of weights beyond those in the file: states and seeds
_MOST_TENSORS = 100_000  # between layers; the largest model of keras.applications has 2,000
_ADVICE = " (?:Make sure|Please ensure)"  # to whoever wrote the classes, who is not the one that reads it
_TOO_MANY_TENSORS = f"its layers make more than {_MOST_TENSORS:,} tensors"


def read_model(model: Model) -> Any:
    """What `model.weights` holds: a model of the Keras that wrote it, an ExportedModel, or a FlatbufferModel.

    Raises ConfigError for whatever is wrong with it.
    """
    path = Path(model.weights)
    with examined(model.name, path, trusted=model.trusted) as file:
        if file.origin.container == SAVED_MODEL and not file.origin.has_layers:
            return read_exported(model.name, path, file.path)
        if file.origin.container == TFLITE:
            return read_flatbuffer(model.name, file.path)
        if not file.origin.has_layers:
            raise unreadable(model.name, path, "it describes no layers")
        return _read_layers(model, path, file)


def _read_layers(model: Model, path: Path, file: Examined) -> Any:
    origin = file.origin
    keras = keras_package(origin.package)
    if origin.has_larq_layers and not is_installed("larq"):
        raise larq_missing(f'layers of model "{model.name}"')
    if origin.package == KERAS_2 and is_installed("larq"):
        import_larq()  # registers its layers and quantizers, which may also be activations of layers of Keras
    try:
        with (
            objects_of(model.module, origin.package, name=model.name),
            _LOADING,
            _bounded(file.weight_bytes, keras),
            _as_keras_calls_it(file) as where,
        ):
            loaded = keras.models.load_model(where, compile=False, safe_mode=not model.trusted)
    except ConfigError:
        raise
    except Exception as error:  # Keras and the layers raise all sorts
        if not _is_newer(origin, keras.__version__):  # whose layers may be Keras' own
            _refuse_foreign_parts(model, path, error)
        wrote = f"Keras {origin.version or 'of unknown version'}"
        cause = str(error).rpartition(_CAUSE)[2] or type(error).__name__
        if _TOO_MANY_TENSORS in cause:  # behind an account of which layer it was
            cause = _TOO_MANY_TENSORS
        said = words(one_line(ValueError(cause)), limit=210)
        raise ConfigError(
            f'model "{model.name}": "{path}" could not be read as a Keras model: {wrote} wrote it, '
            f"and {keras.__name__} {keras.__version__} says: {said}",
            hint=_way_out(origin, here=keras.__version__),
        ) from error
    if not isinstance(loaded, keras.Model):
        raise unreadable(model.name, path, f"it holds a {type(loaded).__name__}")
    return loaded


def _refuse_foreign_parts(model: Model, path: Path, cause: Exception) -> None:
    """Raises ConfigError where a trusted file names what Keras does not have: Keras says that a decorator was missing,
    or stumbles over it elsewhere."""
    found = foreign_parts(path) if model.trusted else ()
    if not found:
        return
    where = f'"{model.module}" does not define all of it' if model.module else "no file of a model holds their code"
    raise ConfigError(
        f'model "{model.name}": "{path}" holds {", ".join(found)}: parts that are not of Keras, and {where} '
        f"({words(re.split(_ADVICE, one_line(cause))[0], limit=100)})",
        hint='module = "FILE.py" in its [[model]] table, or --module FILE.py, with the Python file that defines them; '
        'or `model.export("folder")` where it was made, which needs none and has no gradients',
    ) from cause


@contextmanager
def _bounded(weight_bytes: int | None, keras: Any) -> Iterator[None]:
    """Bounds on what a description of one line asks for; none where nobody counted the weights: the file is trusted."""
    if weight_bytes is None:
        yield
        return
    with _no_more_weights_than(weight_bytes, keras), _no_more_tensors_than_any_model(keras):
        yield


@contextmanager
def _no_more_tensors_than_any_model(keras: Any) -> Iterator[None]:
    """Layers make no more tensors than models have: to unstack an image of 16 million rows is one line as well."""
    module = keras if hasattr(keras, "KerasTensor") else import_module("tf_keras.src.engine.keras_tensor")
    tensor = module.KerasTensor
    init = tensor.__init__
    left = _MOST_TENSORS

    @wraps(init)
    def counted(*args: Any, **kwargs: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(_TOO_MANY_TENSORS)
        init(*args, **kwargs)

    try:
        tensor.__init__ = counted
        yield
    finally:
        tensor.__init__ = init


@contextmanager
def _no_more_weights_than(weight_bytes: int, keras: Any) -> Iterator[None]:
    """Layers make no more weights than a file has values for: a Dense(1_000_000_000) is one line of its description."""
    add_weight = keras.layers.Layer.add_weight
    signature = inspect.signature(add_weight)
    left = 4 * weight_bytes + _SLACK

    @wraps(add_weight)
    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        shape = signature.bind(*args, **kwargs).arguments.get("shape")
        sizes = (shape,) if isinstance(shape, int) else tuple(shape or ())
        left -= 4 * math.prod(int(size or 1) for size in sizes)
        if left < 0:
            raise ValueError("its layers have more weights than it holds values")
        return add_weight(*args, **kwargs)

    try:
        keras.layers.Layer.add_weight = counted  # the one way of both Keras to make a weight
        yield
    finally:
        keras.layers.Layer.add_weight = add_weight


@contextmanager
def _as_keras_calls_it(file: Examined) -> Iterator[Path]:
    """The file under a name by which Keras takes it for what it is, since Keras goes by suffixes."""
    suffix = ".h5" if file.origin.container == HDF5 else ".keras"
    if file.path.is_dir() or file.path.suffix == suffix:
        yield file.path
        return
    with tempfile.TemporaryDirectory(prefix="bitlens-") as folder:
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(file.path.resolve())
        yield link


def _way_out(origin: Origin, *, here: str) -> str:
    """What whoever made the model can do."""
    if _is_newer(origin, here):
        return f'`model.save("model.keras")` again with Keras {here}, or bitlens with Keras {origin.version}'
    if origin.container == HDF5:
        return '`model.save("model.keras")` again where the model was made: HDF5 cannot hold all that Keras can'
    return '`model.export("folder")` where the model was made: a graph needs none of its classes, and has no gradients'


def _is_newer(origin: Origin, here: str) -> bool:
    return _numbers(origin.version) > _numbers(here)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
