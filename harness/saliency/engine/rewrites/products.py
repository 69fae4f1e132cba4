"""Convolutions with one tap in one product with what follows them, by the library of the host: the batch norm and a
ReLU, or the sum at the end of a residual block. TensorFlow reads and writes a map for each of these operations.

Forward passes stay what they are, bit for bit: a convolution is taken only where the library was seen to add up as
TensorFlow does, which has several orders for that and chooses by the shapes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.native import float_convolution
from harness.saliency.engine.graph import Graph, Step, apart, identity, with_calls, with_gradient_of
from harness.saliency.engine.rewrites.gates import Gate
from harness.saliency.engine.rewrites.norms import Norms, Product


def find_products(
    graph: Graph,
    compiled: Graph,
    back: Iterable[Step],
    folding: Mapping[str, str],
    product_of: Callable[[Step], Callable[..., Any] | None],
    norms: Norms,
    *,
    keep: Collection[str],
    batch: int,
) -> dict[str, Product]:
    """By the names of their norms.

    compiled    the graph as it is compiled without products: norms that went into convolutions forwards have none.
    back        the steps of the graph that go back by the library.
    folding     norms that go back as part of the convolution before them, by its name.
    product_of  what gives a convolution with one tap forwards, see `tiles.py`, if that is worth it.
    batch       images of a pass.
    """
    products = {}
    for step in back:
        name = folding.get(step.name)
        if name is None or name in keep or compiled.step(name).call is identity or not _adds_up(step, batch):
            continue
        norm = norms.of(graph.step(name))
        product = product_of(step) if norm else None
        if product:
            bias = step.layer.bias.numpy() if step.layer.use_bias else None
            forward = functools.partial(product, bias=bias, norm=norm)
            products[name] = Product(step=compiled.step(step.name), forward=forward)
    return products


def with_products(
    graph: Graph, products: Mapping[str, Product], relus: Mapping[str, str], gates: Mapping[str, Gate]
) -> Graph:
    """The graph with these products, which do the ReLUs behind them as well.

    relus, gates  that leave their gradient to the convolution before them, by its name; by their own.
    """
    calls: dict[str, Callable[..., Any]] = {}
    for name, product in products.items():
        relu = relus.get(product.step.name)
        forward = functools.partial(product.forward, is_rectified=relu is not None)
        calls |= {product.step.name: with_gradient_of(product.step.call, forward), name: identity}
        if relu is not None:
            calls[relu] = gates[relu].call_of(replace(graph.step(relu), call=identity))
    return with_calls(graph, calls)


def _adds_up(step: Step, batch: int) -> bool:
    """Whether the step is a convolution with one tap that the library adds up as TensorFlow does."""
    layer, sizes = step.layer, step.input_shapes[0][1:]
    if not step.is_original or layer.kernel_size != (1, 1) or None in sizes:
        return False
    return _adds_up_alike((batch, *sizes), layer.filters, layer.strides[0], layer.padding.upper(), layer.use_bias)


@functools.cache
def _adds_up_alike(shape: tuple[int, ...], filters: int, stride: int, padding: str, biased: bool) -> bool:
    """Whether TensorFlow and the library give the same bits on random values."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    values, kernel, bias = (
        rng.random(size, np.float32) - np.float32(0.5) for size in (shape, (1, 1, shape[-1], filters), (filters,))
    )

    def own(values: Any) -> Any:
        products = tf.nn.conv2d(values, kernel, stride, padding)
        return apart(tf.nn.bias_add(products, bias) if biased else products)

    # Compiled, as in a pass: TensorFlow joins a convolution and its bias.
    function = tf.function(own, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    expected = function(tf.constant(values)).numpy()
    actual = float_convolution.convolve(
        values,
        float_convolution.Kernel(kernel),
        before=(0, 0),
        size=expected.shape[1:3],
        bias=bias if biased else None,
        stride=stride,
    )
    return bool(np.array_equal(actual, expected))
