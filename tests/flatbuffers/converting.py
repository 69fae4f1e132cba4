"""Flatbuffers that TensorFlow's converter makes of tiny functions, layers and modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def of(function: Callable[..., Any], *inputs: Any, **how: Any) -> Callable[[], bytes]:
    """The flatbuffer of a function of inputs with these shapes, of floats unless it is (shape, type).

    `how` sets attributes of the converter.
    """

    def made() -> bytes:
        import tensorflow as tf

        typed = [one if one and isinstance(one[-1], str) else (one, "float32") for one in inputs]
        whole = tf.function(function).get_concrete_function(*(tf.TensorSpec(*one) for one in typed))
        return _converted(tf.lite.TFLiteConverter.from_concrete_functions([whole]), how)

    return made


def of_layers(*layers: Callable[[Any], Any], shape: tuple[int, ...], **how: Any) -> Callable[[], bytes]:
    """The flatbuffer of a Keras model for one input of a shape: layers are made by functions of `tf.keras.layers`."""

    def made() -> bytes:
        import tensorflow as tf

        model = tf.keras.Sequential([tf.keras.Input(shape, 1), *(layer(tf.keras.layers) for layer in layers)])
        return _converted(tf.lite.TFLiteConverter.from_keras_model(model), how)

    return made


def _converted(converter: Any, how: dict[str, Any]) -> bytes:
    import tensorflow as tf

    how = dict(how)
    sets, images = how.pop("sets", None), how.pop("images", None)
    if how.pop("smaller", False) or images:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if sets:
        converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, name) for name in sets]
    if images:
        converter.representative_dataset = lambda: _images(images)
    if how.pop("half", False):
        converter.target_spec.supported_types = [tf.float16]
    for name, value in how.items():
        setattr(converter, name, getattr(tf, value) if isinstance(value, str) else value)
    return bytes(converter.convert())


def _images(shape: tuple[int, ...]) -> Iterator[list[Any]]:
    random = np.random.default_rng(0)
    return ([random.random(shape, np.float32)] for _ in range(4))


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def tensorflow() -> Any:
    import tensorflow as tf

    return tf


def by_module(build: Callable[[Any], Any]) -> Callable[[], bytes]:
    """A module's signatures, by way of a SavedModel, as files with state and several signatures are made."""

    def made() -> bytes:
        import tempfile

        import tensorflow as tf

        with tempfile.TemporaryDirectory() as folder:
            module, signatures = build(tf)
            tf.saved_model.save(module, folder, signatures=signatures)
            return _converted(
                tf.lite.TFLiteConverter.from_saved_model(folder), {"experimental_enable_resource_variables": True}
            )

    return made
