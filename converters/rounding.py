"""How far a binarized model's own answers depend on rounding.

sign(x) jumps at zero. An activation that is zero but for rounding errors gets either sign, depending on the order in
which a runtime adds, and one sign more or less is visible in the logits. No artifact can be closer to its Keras model
than that model is to itself with its zeros rounded up and rounded down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHIFT = 1e-5  # of the activations' mean size: about what float32 sums of a few thousand terms lose
BATCH = 64

Images = NDArray[np.float32]


def is_binarized(model: Any) -> bool:
    return any(True for _ in _quantized_layers(model))


def scores_with_zeros_rounded(model: Any, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores (N, K) for preprocessed images, with every binarized activation moved a little up, and a little down."""
    return _scores(model, images, shift=SHIFT), _scores(model, images, shift=-SHIFT)


def _scores(model: Any, images: Images, *, shift: float) -> NDArray[np.float32]:
    with _shifted_quantizers(model, shift):
        import tensorflow as tf

        function = tf.function(lambda batch: model(batch, training=False), autograph=False)
        batches = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
        return np.concatenate([function(tf.constant(batch)).numpy() for batch in batches])


@contextmanager
def _shifted_quantizers(model: Any, shift: float) -> Iterator[None]:
    """The quantizers of activations, for as long as the block lasts, after a shift of what they are given."""
    before = [(layer, layer.input_quantizer) for layer in _quantized_layers(model)]
    try:
        for layer, quantizer in before:
            layer.input_quantizer = _after_shift(quantizer, shift)
        yield
    finally:
        for layer, quantizer in before:
            layer.input_quantizer = quantizer


def _after_shift(quantizer: Callable[[Any], Any], shift: float) -> Callable[[Any], Any]:
    import tensorflow as tf

    return lambda x: quantizer(x + shift * tf.reduce_mean(tf.abs(x), axis=tf.range(1, tf.rank(x)), keepdims=True))


def _quantized_layers(model: Any) -> Iterator[Any]:
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else ()  # a graph without layers has none
    return (layer for layer in layers if getattr(layer, "input_quantizer", None) is not None)
