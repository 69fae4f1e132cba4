"""Reads a model of the user's own: a Keras file or a SavedModel folder, after a look for code inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.keras_packages import import_larq, is_installed, larq_missing
from harness.models.catalogue import Model
from harness.models.safety import embedded_code

SUFFIXES = (".h5", ".hdf5", ".keras")
_OTHERS = {
    ".tflite": "`bitlens inspect` looks into finished artifacts; models are converted from Keras",
    ".onnx": "onnx2tf or a similar tool makes a Keras model of it",
    ".pt": "export it to ONNX, and that to Keras",
    ".pth": "export it to ONNX, and that to Keras",
    ".pb": "the folder of the SavedModel instead of a file in it",
}


def read_model(model: Model) -> Any:
    """The Keras model in the file of `model.weights`. Raises ConfigError for whatever is wrong with it."""
    import tf_keras

    if is_installed("larq"):
        import_larq()  # registers the quantized layers
    path = Path(model.weights)
    _check_kind(model.name, path)
    if not model.trusted:
        _refuse_code(model.name, path)
    try:
        keras_model = tf_keras.models.load_model(path, compile=False, safe_mode=not model.trusted)
    except Exception as error:  # h5py, zipfile, JSON and Keras raise all sorts
        if not is_installed("larq") and "Quant" in str(error):
            raise larq_missing(f'layers of model "{model.name}"') from error
        raise ConfigError(
            f'model "{model.name}": "{path}" could not be read as a Keras model ({one_line(error)})',
            hint="a file that `model.save` wrote; weights alone need the architecture of a catalogue model",
        ) from error
    if not isinstance(keras_model, tf_keras.Model):
        raise ConfigError(
            f'model "{model.name}": "{path}" is a SavedModel without a Keras model in it',
            hint="save it with `model.save` of a Keras model",
        )
    return keras_model


def one_line(error: Exception, *, limit: int = 200) -> str:
    """The first line of somebody else's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines[0]) <= limit else lines[0][:limit] + " …"


def _check_kind(name: str, path: Path) -> None:
    if not path.exists():
        raise ConfigError(f'model "{name}" path: expected a model, found no file "{path}"')
    if path.suffix not in SUFFIXES and not (path / "saved_model.pb").is_file():
        raise ConfigError(
            f'model "{name}" path: expected an .h5 or .keras file or a SavedModel folder, got "{path}"',
            hint=_OTHERS.get(path.suffix, 'save it with `model.save("model.keras")`'),
        )


def _refuse_code(name: str, path: Path) -> None:
    code = embedded_code(path)
    if code:
        raise ConfigError(
            f'model "{name}": "{path}" holds {", ".join(code)}: code that runs when it is loaded or used',
            hint="trusted = true in its [[model]] table, if you know where the file comes from",
        )
