"""The sum at the end of a residual block with the batch norms before it and the ReLU after it, by the library of the
host: the maps are read once, where TensorFlow reads and writes them for each of these operations.

Forward passes stay what they are, bit for bit: a norm is taken in only where the library was seen to give its bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.keras_packages import keras_of
from harness.native import floats
from harness.native.residual_sum import CHANNELS, Norm, Term, residual_sum
from harness.saliency.engine.graph import Graph, Step, back_through, identity, with_calls
from harness.saliency.engine.rewrites.folding import is_channel_norm
from harness.saliency.engine.rewrites.gates import is_plain_relu

LEAST_VALUES = 10**5  # of an image's map; with fewer, a call of ours costs more than it saves
PROBED = 64  # pixels of random values


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Names of the steps that are computed together.

    norms  before the two terms, where they have one.
    relu   after the sum.
    """

    sum: str
    norms: tuple[str | None, str | None]
    relu: str | None


def find_residuals(graph: Graph) -> tuple[Residual, ...]:
    """The sums of two maps of which one at least has a norm. What is found reads each other's outputs alone."""
    found = (_residual_at(graph, step) for step in graph.steps)
    return tuple(residual for residual in found if residual is not None and any(residual.norms))


def with_residual_sums(
    graph: Graph, residuals: Iterable[Residual], *, keep: Collection[str], ungated: Collection[str], threads: int
) -> Graph:
    """The graph with these residuals computed at their sums, where nothing inside of one is asked for.

    graph    as it is compiled: norms that went into convolutions forwards are no part of a sum.
    ungated  ReLUs whose gradient is left to others.
    """
    calls: dict[str, Callable[..., Any]] = {}
    for residual in residuals:
        norms = [graph.step(name) if name else None for name in residual.norms]
        left, right = (norm if norm and norm.call is not identity else None for norm in norms)
        inside = {norm.name for norm in (left, right) if norm} | ({residual.sum} if residual.relu else set())
        if (left or right) and not inside.intersection(keep):
            calls |= {norm.name: identity for norm in (left, right) if norm}
            is_gated = residual.relu not in (None, *ungated)
            calls[residual.sum] = _sum(
                (left, right), is_rectified=residual.relu is not None, is_gated=is_gated, threads=threads
            )
            calls |= {residual.relu: identity} if residual.relu else {}
    return with_calls(graph, calls)


def _residual_at(graph: Graph, step: Step) -> Residual | None:
    if type(step.layer) is not keras_of(step.layer).layers.Add or not step.is_original:
        return None
    if step.input_shapes != (step.shape, step.shape):  # more than two, or one that is repeated over pixels
        return None
    sizes = [size or 0 for size in step.shape[1:]]
    if len(sizes) != 3 or sizes[2] % CHANNELS or math.prod(sizes) < LEAST_VALUES or not floats.is_available():
        return None
    left, right = (_norm_before(graph, tensor) for tensor in step.inputs)
    consumers = graph.consumers(step.outputs[0])
    relu = consumers[0].name if len(consumers) == 1 and is_plain_relu(consumers[0]) else None
    return Residual(sum=step.name, norms=(left, right), relu=relu)


def _norm_before(graph: Graph, tensor: int) -> str | None:
    """The step with the norm that gives a tensor to one step alone, by the library's bits."""
    norm = graph.giver(tensor)
    if norm is None or not norm.is_original or len(graph.consumers(tensor)) != 1 or not is_channel_norm(norm):
        return None
    return norm.name if _has_bits_of(norm) else None


def _sum(
    norms: tuple[Step | None, Step | None], *, is_rectified: bool, is_gated: bool, threads: int
) -> Callable[..., Any]:
    """The call of a sum that takes what comes before the norms, and gives what comes after the ReLU, if there is one.

    is_gated  whether the ReLU's gradient is computed here.
    """
    import tensorflow as tf

    parameters = [_norm_of(norm.layer) if norm else None for norm in norms]

    def run(left: Any, right: Any) -> Any:
        terms = map(Term, (left, right), parameters)
        return residual_sum(*terms, is_rectified=is_rectified, threads=threads)

    def call(terms: Any, *args: Any, **kwargs: Any) -> Any:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def summed(left: Any, right: Any) -> Any:
            result = tf.ensure_shape(tf.numpy_function(run, [left, right], tf.float32, stateful=False), left.shape)

            def gradient(upstream: Any) -> Any:
                if is_gated:
                    upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=result)
                terms = zip(norms, (left, right), strict=True)
                return [back_through(norm.call, upstream, values) if norm else upstream for norm, values in terms]

            return result, gradient

        return summed(*terms)

    return call


def _norm_of(layer: Any) -> Norm:
    """What oneDNN makes of a batch norm's weights."""
    variance = layer.moving_variance.numpy().astype(np.float32)
    return Norm(
        mean=layer.moving_mean.numpy(),
        inverse=np.float32(1) / np.sqrt(variance + np.float32(layer.epsilon)),
        scale=layer.gamma.numpy() if layer.scale else np.ones_like(variance),
        shift=layer.beta.numpy() if layer.center else np.zeros_like(variance),
    )


def _has_bits_of(norm: Step) -> bool:
    """Whether the library's norm is the step's own, bit for bit, on random values of its own range."""
    import tensorflow as tf

    own = _norm_of(norm.layer)
    normal = np.random.default_rng(0).normal(size=(1, 1, PROBED, len(own.mean))).astype(np.float32)
    values = own.mean + normal / own.inverse
    expected = norm.call(tf.constant(values)).numpy()
    zeros = Term(np.zeros_like(values))
    return bool(np.array_equal(residual_sum(Term(values, own), zeros, is_rectified=False), expected))
