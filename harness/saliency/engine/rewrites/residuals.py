"""The sum at the end of a residual block with what comes before it and the ReLU after it, by the library of the host:
the maps are read once, where TensorFlow reads and writes them for each of these operations.

Before the sum are batch norms, or a convolution with one tap and its norm (see `products.py`). Forward passes stay what
they are, bit for bit: a norm is taken in only where the library was seen to give its bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.keras_packages import keras_of
from harness.native import floats
from harness.native.residual_sum import Term, residual_sum
from harness.saliency.engine.graph import Graph, Step, back_through, identity, with_calls
from harness.saliency.engine.rewrites.folding import is_channel_norm
from harness.saliency.engine.rewrites.gates import is_plain_relu
from harness.saliency.engine.rewrites.norms import Norms, Product

LEAST_VALUES = 10**4  # of an image's map; with fewer, a call of ours costs more than it saves


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Names of the steps that are computed together.

    norms  before the two terms, where they have one.
    relu   after the sum.
    """

    sum: str
    norms: tuple[str | None, str | None]
    relu: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    """How two terms come together.

    inside    steps that this makes superfluous.
    forward   (left, right) -> the sum, through its ReLU.
    backward  for each term: (upstream, the term) -> gradient.
    """

    inside: frozenset[str]
    forward: Callable[[Any, Any], Any]
    backward: tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]


def find_residuals(graph: Graph, norms: Norms) -> tuple[Residual, ...]:
    """The sums of two maps of which one at least has a norm. What is found reads each other's outputs alone."""
    found = (_residual_at(graph, step, norms) for step in graph.steps)
    return tuple(residual for residual in found if residual is not None and any(residual.norms))


def with_residual_sums(
    graph: Graph,
    residuals: Iterable[Residual],
    norms: Norms,
    products: Mapping[str, Product],
    *,
    keep: Collection[str],
    ungated: Collection[str],
    threads: int,
) -> Graph:
    """The graph with these residuals computed at their sums, where nothing inside of one is asked for.

    graph     as it is compiled: norms that went into convolutions forwards are no part of a sum.
    products  that can be computed at a sum, by the names of their norms.
    ungated   ReLUs whose gradient is left to others.
    """
    calls: dict[str, Callable[..., Any]] = {}
    for residual in residuals:
        way = _sum_of(graph, residual, norms, products, threads)
        if way is None or way.inside.union({residual.sum} if residual.relu else ()).intersection(keep):
            continue
        calls |= dict.fromkeys(way.inside, identity)
        calls[residual.sum] = _call_of(way, is_gated=residual.relu not in (None, *ungated))
        calls |= {residual.relu: identity} if residual.relu else {}
    return with_calls(graph, calls)


def _residual_at(graph: Graph, step: Step, norms: Norms) -> Residual | None:
    if type(step.layer) is not keras_of(step.layer).layers.Add or not step.is_original:
        return None
    if step.input_shapes != (step.shape, step.shape):  # more than two, or one that is repeated over pixels
        return None
    sizes = [size or 0 for size in step.shape[1:]]
    if len(sizes) != 3 or math.prod(sizes) < LEAST_VALUES or not floats.is_available():
        return None
    left, right = (_norm_before(graph, tensor, norms) for tensor in step.inputs)
    consumers = graph.consumers(step.outputs[0])
    relu = consumers[0].name if len(consumers) == 1 and is_plain_relu(consumers[0]) else None
    return Residual(sum=step.name, norms=(left, right), relu=relu)


def _norm_before(graph: Graph, tensor: int, norms: Norms) -> str | None:
    """The step with the norm that gives a tensor to one step alone, by the library's bits."""
    step = graph.giver(tensor)
    if step is None or len(graph.consumers(tensor)) != 1 or not is_channel_norm(step):
        return None
    return step.name if norms.of(step) else None


def _sum_of(
    graph: Graph, residual: Residual, norms: Norms, products: Mapping[str, Product], threads: int
) -> _Sum | None:
    steps = [graph.step(name) if name else None for name in residual.norms]
    left, right = (norm if norm and norm.call is not identity else None for norm in steps)
    if left or right:
        return _sum_of_normed((left, right), norms, is_rectified=residual.relu is not None, threads=threads)
    places = [place for place, name in enumerate(residual.norms) if name in products]
    if not places:
        return None
    product = products[str(residual.norms[places[-1]])]
    return _sum_with_product(product, places[-1], is_rectified=residual.relu is not None)


def _sum_of_normed(steps: tuple[Step | None, Step | None], norms: Norms, *, is_rectified: bool, threads: int) -> _Sum:
    parameters = [norms.known(step.name) if step else None for step in steps]

    def forward(left: Any, right: Any) -> Any:
        terms = map(Term, (left, right), parameters)
        return residual_sum(*terms, is_rectified=is_rectified, threads=threads)

    left, right = (_back_through(step) if step else _passed for step in steps)
    return _Sum(inside=frozenset(step.name for step in steps if step), forward=forward, backward=(left, right))


def _sum_with_product(product: Product, place: int, *, is_rectified: bool) -> _Sum:
    """The term at `place` is what the product's convolution reads."""

    def forward(*terms: Any) -> Any:
        return product.forward(terms[place], more=terms[1 - place], is_rectified=is_rectified)

    backward = (_passed, product.backward) if place else (product.backward, _passed)
    return _Sum(inside=frozenset([product.step.name]), forward=forward, backward=backward)


def _passed(upstream: Any, values: Any) -> Any:
    return upstream


def _back_through(norm: Step) -> Callable[[Any, Any], Any]:
    return lambda upstream, values: back_through(norm.call, upstream, values)


def _call_of(way: _Sum, *, is_gated: bool) -> Callable[..., Any]:
    """The call of the step that the sum is, which gives what comes after the ReLU, if there is one.

    is_gated  whether the ReLU's gradient is computed here.
    """
    import tensorflow as tf

    def call(terms: Any, *args: Any, **kwargs: Any) -> Any:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def summed(left: Any, right: Any) -> Any:
            result = way.forward(left, right)

            def gradient(upstream: Any) -> Any:
                if is_gated:
                    upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=result)
                return [back(upstream, values) for back, values in zip(way.backward, (left, right), strict=True)]

            return result, gradient

        return summed(*terms)

    return call
