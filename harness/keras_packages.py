"""The two Keras packages of one process: `tf_keras` (Keras 2, which Larq is written for) and `keras` (Keras 3).

Both bring layers and functions of the same names, and a model is made of one package's alone. Whoever asks what a layer
is asks the package that it comes from.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

from harness.errors import ConfigError

KERAS_2, KERAS_3 = "tf_keras", "keras"
_INSTALL = {KERAS_2: "pip install tf-keras", KERAS_3: "pip install keras"}
# Larq and its zoo ask for NumPy < 2 and protobuf < 3.21, and work with those that Python 3.13 needs: pip must not look.
LARQ_PAST_PIP = "pip install --no-deps larq==0.14.0 larq-zoo==2.4.0 zookeeper==1.4.0 tensorflow-datasets==4.9.10"
INSTALL_LARQ = LARQ_PAST_PIP if sys.version_info >= (3, 13) else "pip install larq==0.14.0 larq-zoo==2.4.0"


def set_up() -> None:
    """Make `tf.keras` Keras 2 and TensorFlow the backend of Keras 3: before either is imported."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["KERAS_BACKEND"] = "tensorflow"


def keras_package(name: str) -> Any:
    """The package of this name, tf_keras or keras.

    Raises ConfigError where it is not installed, and for Keras 3 on another backend, whose values TensorFlow cannot
    trace.
    """
    try:
        package = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"this model needs {name}, which is not installed", hint=_INSTALL[name]) from error
    if name == KERAS_3 and package.backend.backend() != "tensorflow":
        raise ConfigError(
            f'Keras computes with "{package.backend.backend()}", and bitlens explains models with TensorFlow',
            hint="KERAS_BACKEND=tensorflow in the environment, before keras is imported",
        )
    return package


def keras_of(thing: Any) -> Any:
    """The package, tf_keras or keras, that a model, layer or optimizer is made with.

    Raises ConfigError for what is of neither: what has none by its nature says so itself, by `why_no_layers`.
    """
    homes = (base.__module__.partition(".")[0] for base in type(thing).__mro__)
    home = next((home for home in homes if home in (KERAS_2, KERAS_3)), None)
    if home is None:
        raise ConfigError(
            getattr(thing, "why_no_layers", f"expected a Keras model or layer, got {_full_name(type(thing))}")
        )
    return keras_package(home)


def is_keras_3(thing: Any) -> bool:
    """Whether a model or layer is made with Keras 3."""
    return bool(keras_of(thing).__name__ == KERAS_3)


def layers_of(model: Any) -> list[Any]:
    """All layers of a model, those inside others as well, and not the model itself; none of a graph without layers."""
    return list(model._flatten_layers(include_self=False)) if hasattr(model, "_flatten_layers") else []


def operation_name(layer: Any) -> str:
    """What a plain function in a functional model computes, such as "relu" or "softmax"; "" for a layer.

    Keras 2 keeps its symbol (nn.softmax), Keras 3 makes an object of a class of that name.
    """
    if is_keras_3(layer):
        return "" if isinstance(layer, keras_of(layer).layers.Layer) else type(layer).__name__.lower()
    return str(getattr(layer, "symbol", "")).rpartition(".")[2]


def functions_named(layer: Any, *names: str) -> tuple[Any, ...]:
    """What an activation of this name may be: a function of the layer's Keras, or of TensorFlow."""
    import tensorflow as tf

    keras = keras_of(layer)
    homes = keras.activations, getattr(keras, "ops", None), tf.nn
    return tuple(getattr(home, name) for home in homes for name in names if hasattr(home, name))


def import_larq() -> Any:
    """Larq, which is written for Keras 2 as `tf.keras`.

    Raises ConfigError where it is not installed, and where `tf.keras` became Keras 3 before bitlens had a say.
    """
    set_up()
    import tensorflow as tf
    import tf_keras

    if tf.keras.Model is not tf_keras.Model:
        raise ConfigError(
            "Larq needs Keras 2, and this process uses tf.keras as Keras 3 already",
            hint="TF_USE_LEGACY_KERAS=1 in the environment, before tensorflow is imported",
        )
    if not is_installed("larq"):
        raise larq_missing("binarized models")
    return importlib.import_module("larq")


def is_installed(package: str) -> bool:
    """Whether a package is there to be imported; it is not imported."""
    return importlib.util.find_spec(package) is not None


def larq_missing(what: str) -> ConfigError:
    """What to say, and to do, where `what` (a plural) is made with Larq and Larq or its zoo is not installed."""
    return ConfigError(f"{what} are made with Larq, which is not installed", hint=INSTALL_LARQ)


def imported_larq() -> Any | None:
    """Larq, if somebody imported it: otherwise no layer can be one of Larq's."""
    return sys.modules.get("larq")


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
