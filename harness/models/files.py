"""Reads a model of the user's own: a file or folder of either Keras, or a SavedModel, after a look for code inside."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, one_line
from harness.keras_packages import KERAS_2, import_larq, is_installed, keras_package, larq_missing
from harness.models.catalogue import Model
from harness.models.exported import read_exported
from harness.models.origin import HDF5, SAVED_MODEL, SUFFIXES, Origin, origin_of
from harness.models.safety import embedded_code

_OTHERS = {
    ".tflite": "`bitlens inspect` looks into finished artifacts; models are converted from Keras",
    ".onnx": "onnx2tf or a similar tool makes a Keras model of it",
    ".pt": "export it to ONNX, and that to Keras",
    ".pth": "export it to ONNX, and that to Keras",
    ".pb": "the folder of the SavedModel instead of a file in it",
}
_CAUSE = "Exception encountered: "  # what Keras 3 puts before what went wrong, after a long account of where


def read_model(model: Model) -> Any:
    """What `model.weights` holds: a model of the Keras that wrote it, or an ExportedModel.

    Raises ConfigError for whatever is wrong with it.
    """
    path = Path(model.weights)
    origin = _origin(model.name, path)
    if not model.trusted:
        _refuse_code(model.name, path, origin)
    if origin.container == SAVED_MODEL and not origin.has_layers:
        return read_exported(model.name, path)
    return _read_layers(model, path, origin)


def _origin(name: str, path: Path) -> Origin:
    """Where the file comes from. Raises ConfigError when it is none, not a model, or weights alone."""
    if not path.exists():
        raise ConfigError(f'model "{name}" path: expected a model, found no file "{path}"')
    try:
        origin = origin_of(path)
    except Exception as error:  # h5py, zipfile, JSON and protobuf raise all sorts
        raise _unreadable(name, path, f"damaged: {one_line(error)}") from error
    if origin is None and path.suffix in SUFFIXES and path.is_file():
        raise _unreadable(name, path, "neither a zip file of Keras nor HDF5")
    if origin is None:
        raise ConfigError(
            f'model "{name}" path: expected an .h5 or .keras file or a SavedModel folder, got "{path}"',
            hint=_OTHERS.get(path.suffix, 'save it with `model.save("model.keras")`'),
        )
    if origin.container == HDF5 and not origin.has_layers:
        raise _unreadable(name, path, "it describes no layers")
    return origin


def _unreadable(name: str, path: Path, why: str) -> ConfigError:
    return ConfigError(
        f'model "{name}": "{path}" could not be read as a Keras model ({why})',
        hint="a file that `model.save` wrote; weights alone need the architecture of a catalogue model",
    )


def _refuse_code(name: str, path: Path, origin: Origin) -> None:
    code = embedded_code(path, origin)
    if code:
        raise ConfigError(
            f'model "{name}": "{path}" holds {", ".join(code)}: code that runs when it is loaded or used',
            hint="trusted = true in its [[model]] table, if you know where the file comes from; or a folder of "
            "`model.export`, which needs no code of its maker",
        )


def _read_layers(model: Model, path: Path, origin: Origin) -> Any:
    keras = keras_package(origin.package)
    if origin.has_larq_layers and not is_installed("larq"):
        raise larq_missing(f'layers of model "{model.name}"')
    if origin.package == KERAS_2 and is_installed("larq"):
        import_larq()  # registers its layers and quantizers, which may also be activations of layers of Keras
    try:
        with _as_keras_calls_it(path, origin) as file:
            loaded = keras.models.load_model(file, compile=False, safe_mode=not model.trusted)
    except Exception as error:  # Keras and the layers raise all sorts
        wrote = f"Keras {origin.version or 'of unknown version'}"
        said = one_line(ValueError(str(error).rpartition(_CAUSE)[2] or type(error).__name__))
        raise ConfigError(
            f'model "{model.name}": "{path}" could not be read as a Keras model: {wrote} wrote it, '
            f"and {keras.__name__} {keras.__version__} says: {said}",
            hint=_way_out(origin, here=keras.__version__),
        ) from error
    if not isinstance(loaded, keras.Model):
        raise _unreadable(model.name, path, f"it holds a {type(loaded).__name__}")
    return loaded


@contextmanager
def _as_keras_calls_it(path: Path, origin: Origin) -> Iterator[Path]:
    """The file under a name by which Keras takes it for what it is, since Keras goes by suffixes."""
    if path.is_dir() or SUFFIXES.get(path.suffix) == origin.container:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="bitlens-") as folder:
        suffix = next(suffix for suffix, container in SUFFIXES.items() if container == origin.container)
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(path.resolve())
        yield link


def _way_out(origin: Origin, *, here: str) -> str:
    """What whoever made the model can do."""
    if _numbers(origin.version) > _numbers(here):
        return f'`model.save("model.keras")` again with Keras {here}, or bitlens with Keras {origin.version}'
    if origin.container == HDF5:
        return '`model.save("model.keras")` again where the model was made: HDF5 cannot hold all that Keras can'
    return '`model.export("folder")` where the model was made: a graph needs none of its classes, and has no gradients'


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
