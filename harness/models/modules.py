"""The Python file with the layers of a trusted model that are not of Keras: imported when its model is loaded.

A file names the classes of its layers and does not hold their code. Whether they were registered by a decorator or not:
all of the module's own layers, models and functions are there under their names while the model is read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import ConfigError, one_line
from harness.keras_packages import KERAS_3, keras_package

MOST_BYTES = 2**22


@contextmanager
def objects_of(module: str | None, package: str, *, name: str) -> Iterator[None]:
    """What the module of the model `name` defines, known to the Keras of this package while the `with` lasts."""
    if module is None:
        yield
        return
    keras = keras_package(package)
    path = Path(module)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f'model "{name}" module: "{path}" could not be read ({error.strerror})') from error
    try:
        objects = _objects(path, hashlib.sha256(content).hexdigest(), package)
    except Exception as error:  # whatever the user's own code raises
        raise ConfigError(
            f'model "{name}" module: "{path}" could not be imported ({type(error).__name__}: {one_line(error)})',
            hint="one file that imports nothing but installed packages",
        ) from error
    with keras.utils.custom_object_scope(objects):
        yield


@cache
def _objects(path: Path, sha256: str, package: str) -> dict[str, Any]:
    """By their names, those that a decorator gave them as well. A file is imported once for each content and Keras."""
    keras = keras_package(package)
    registry = keras.utils.get_custom_objects()
    before = dict(registry)
    registry.clear()  # or the decorator refuses a name that another model's module has used
    try:
        with _tf_keras_is(keras):
            module = _imported(path, f"bitlens_module_{sha256[:16]}_{package}")
        registered = dict(registry)
    finally:
        registry.clear()
        registry.update(before)
    own = {key: value for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    return {**own, **registered}


def _imported(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _tf_keras_is(keras: Any) -> Iterator[None]:
    """`tf.keras` is the Keras that wrote the model's file, as it was where the module was written."""
    if keras.__name__ != KERAS_3:  # as it is for all of bitlens
        yield
        return
    import tensorflow as tf

    names = [name for name in sys.modules if name == "tensorflow.keras" or name.startswith("tensorflow.keras.")]
    before, kept = tf.keras, {name: sys.modules.pop(name) for name in names}
    aliases = {
        f"tensorflow.{name}": module
        for name, module in list(sys.modules.items())
        if name == KERAS_3 or name.startswith(f"{KERAS_3}.")
    }
    sys.modules.update(aliases)
    tf.keras = keras
    try:
        yield
    finally:
        tf.keras = before
        for name in aliases:
            sys.modules.pop(name, None)
        sys.modules.update(kept)
