"""Batch norms by the library of the host, alone or as part of a product before them, where it has TensorFlow's bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.native.norm import CHANNELS, Norm
from harness.native.residual_sum import Term, residual_sum
from harness.saliency.engine.graph import Step, back_through

PROBED = 64  # pixels of random values


class Norms:
    """Those of one engine, each of them asked once."""

    def __init__(self) -> None:
        self._known: dict[str, Norm | None] = {}

    def of(self, step: Step) -> Norm | None:
        """What a batch norm of channels is, if the library's is that one bit for bit. There must be a library."""
        if not step.is_original or (step.shape[-1] or 1) % CHANNELS:
            return None
        if step.name not in self._known:
            norm = norm_of(step.layer)
            self._known[step.name] = norm if _has_bits_of(step, norm) else None
        return self._known[step.name]

    def known(self, name: str) -> Norm | None:
        """What the step of this name was found to be."""
        return self._known[name]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """A convolution with one tap and the norm behind it.

    step     the convolution as it is compiled otherwise, whose gradient is that of both.
    forward  (values, is_rectified, more=None) -> what comes after the norm, plus `more`, and through a ReLU.
    """

    step: Step
    forward: Callable[..., Any]

    def backward(self, upstream: Any, values: Any) -> Any:
        """The gradient by the convolution's values, from that by what comes after the norm."""
        return back_through(self.step.call, upstream, values)


def norm_of(layer: Any) -> Norm:
    """What oneDNN makes of a batch norm's weights."""
    variance = layer.moving_variance.numpy().astype(np.float32)
    return Norm(
        mean=layer.moving_mean.numpy(),
        inverse=np.float32(1) / np.sqrt(variance + np.float32(layer.epsilon)),
        scale=layer.gamma.numpy() if layer.scale else np.ones_like(variance),
        shift=layer.beta.numpy() if layer.center else np.zeros_like(variance),
    )


def _has_bits_of(step: Step, norm: Norm) -> bool:
    """On random values of the norm's own range."""
    import tensorflow as tf

    normal = np.random.default_rng(0).normal(size=(1, 1, PROBED, len(norm.mean))).astype(np.float32)
    values = norm.mean + normal / norm.inverse
    expected = step.call(tf.constant(values)).numpy()
    zeros = Term(np.zeros_like(values))
    return bool(np.array_equal(residual_sum(Term(values, norm), zeros, is_rectified=False), expected))
