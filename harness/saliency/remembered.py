"""The engines of models that `explain` was asked about: one for each, while the model lives and stays as it is.

Compiling is most of what a call costs, and TensorFlow keeps a little of everything that it ever compiled. A model may
change between two calls, though: its weights, or what a layer does. So each call looks at all of both that can be seen,
and a model with a part that cannot, such as a function of the caller's own, is read again at every call.
"""

from __future__ import annotations

import hashlib
import json
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.keras_packages import layers_of
from harness.saliency.engine.engine import GradientEngine
from harness.saliency.precision import FLOAT32

MOST_ENGINES = 4  # of models that live: each may hold transformed kernels
KNOWN = ("tf_keras", "keras", "larq", "larq_zoo", "tensorflow", "builtins")  # whose code does not change

_engines: weakref.WeakKeyDictionary[Any, tuple[dict[str, GradientEngine], _State]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """All of a model that can be seen: what its layers hold, and what they say of themselves."""

    weights: str  # a hash
    configuration: str
    attributes: list[dict[str, Any]]  # of each layer; functions and arrays are compared by identity, so they are held

    def equals(self, other: _State) -> bool:
        return (self.weights, self.configuration, len(self.attributes)) == (
            other.weights,
            other.configuration,
            len(other.attributes),
        ) and all(map(_same, self.attributes, other.attributes))


def engine_of(model: Any, precision: str = FLOAT32) -> GradientEngine:
    """An engine for the model as it is now. Raises what `GradientEngine` raises."""
    now = _state(model)
    if now is None:
        return GradientEngine(model, precision=precision)
    with _lock:
        known, before = _engines.get(model, ({}, None))
    engines = known if before is not None and now.equals(before) else {}
    if precision in engines:
        return engines[precision]
    engine = GradientEngine(model, precision=precision)
    with _lock:
        _engines.pop(model, None)
        while len(_engines) >= MOST_ENGINES:
            _engines.pop(next(iter(_engines)), None)  # the one that was made first
        _engines[model] = {**engines, precision: engine}, now
    return engine


def _state(model: Any) -> _State | None:
    """None for a model of which something cannot be seen."""
    parts = [model, *layers_of(model)]
    attributes = [_attributes(part) for part in parts]
    if not all(map(_is_known, parts)) or not all(map(_are_known, attributes)):
        return None
    try:
        configuration = json.dumps(model.get_config(), default=repr, sort_keys=True)
    except Exception:  # some layers have none, and say so in many ways
        return None
    return _State(_hash_of_weights(model), configuration, attributes)


def _hash_of_weights(model: Any) -> str:
    digest = hashlib.sha256(usedforsecurity=False)
    for variable in model.weights:  # one after the other: all of them together are a second model
        values = variable.numpy()
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _attributes(layer: Any) -> dict[str, Any]:
    """Functions, arrays and plain values of a layer; other things are what Keras notes for itself."""
    attributes: dict[str, Any] = {}
    for name, value in getattr(layer, "__dict__", {}).items():
        if name == "_called":  # Keras 3 notes that somebody called it, as we do
            continue
        if callable(value) or hasattr(value, "__array__"):
            attributes[name] = value
        elif isinstance(value, (str, int, float, tuple, type(None))):
            attributes[name] = repr(value)
    return attributes


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        value is other[name] or (isinstance(value, str) and value == other[name]) for name, value in one.items()
    )


def _is_known(layer: Any) -> bool:
    return type(layer).__module__.partition(".")[0] in KNOWN and type(layer).__name__ != "Lambda"


def _are_known(attributes: Mapping[str, Any]) -> bool:
    functions = [value for value in attributes.values() if callable(value)]
    return all(str(getattr(function, "__module__", "")).partition(".")[0] in KNOWN for function in functions)
