"""Convolutions by the library of the host: 3x3 ones by Winograd's algorithm, two to three times faster than by the
definition, and backward passes of those with one tap.

It rounds otherwise than the definition, by about 1e-5 of the greatest value. A backward pass is linear, so that is what
becomes of a map. A forward pass might turn a ReLU or a sign with it: it is taken only where no gradient passes one, as
with batch norms (see `folding.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from harness.native import float_convolution, floats
from harness.saliency.engine.graph import Graph, Step, with_backward
from harness.saliency.engine.rewrites.convolutions import is_ordinary, zeros_before
from harness.saliency.engine.rewrites.folding import is_continuous

LEAST_CHANNELS = 32  # with fewer, transforming costs more than it saves
LEAST_PRODUCTS = 10**6  # of an image, for one tap; with fewer, a call of ours costs more than it saves
LEAST_USE = 0.8  # of what is computed for a kernel of one tap; TensorFlow computes fewer channels for nothing


class Tiles:
    """The library's convolutions for one engine: kernels are transformed once, for all that is compiled.

    threads     that share a convolution.
    memory_mib  for all transformed kernels. Those of large maps, which are small and save most, come first.
    exact       whether a forward pass may be replaced only where no gradient passes a comparison.
    """

    def __init__(self, graph: Graph, *, threads: int, memory_mib: float, exact: bool = True) -> None:
        self.threads, self._exact = threads, exact
        self._graph, self._memory_bytes = graph, memory_mib * 2**20
        self._continuous = is_continuous(graph)
        self._kernels: dict[tuple[int, bool], tuple[Any, float_convolution.Kernel]] = {}

    @cached_property
    def _chosen(self) -> set[tuple[str, bool]]:
        """(name of a step, whether forwards) of what is transformed. The first look may build the library."""
        both = self._continuous or not self._exact
        wanted = [
            (_transformed_bytes(step), forwards, step.name)
            for step in self._graph.steps
            if suits_tiles(step)
            for forwards in ((False, True) if both and step.layer.kernel_size[0] > 1 else (False,))
        ]
        chosen, left = set(), self._memory_bytes
        for needed, forwards, name in sorted(wanted):
            left -= needed
            if left >= 0:
                chosen.add((name, forwards))
        return chosen

    def convolution_of(
        self, step: Step, *, passed: bool, maps: Callable[[], dict[str, Any]] = dict
    ) -> Callable[..., Any] | None:
        """What replaces a step's convolution of (values, kernel), if anything.

        passed  a gradient passes the step.
        maps    what `float_convolution.convolve` is given besides on the way back, asked for while that is traced.
        """
        forwards = self._continuous and not passed
        if (step.name, forwards) not in self._chosen:
            return None
        return self._forward(step.layer) if forwards else self._backward(step.layer, maps)

    def goes_back(self, step: Step) -> bool:
        """Whether a gradient that passes the step goes back by the library."""
        return (step.name, False) in self._chosen

    def forward_of(self, step: Step) -> Callable[..., Any] | None:
        """The step's convolution without a gradient, if its kernel is transformed."""
        return self._forward(step.layer) if (step.name, True) in self._chosen else None

    def backward_of(self, step: Step) -> Callable[..., Any] | None:
        """The step's own convolution with the quicker gradient, if its kernel is transformed for that."""
        return self._backward(step.layer) if self.goes_back(step) else None

    def _backward(self, layer: Any, maps: Callable[[], dict[str, Any]] = dict) -> Callable[..., Any]:
        """The layer's convolution of (values, kernel) with another backward pass."""

        def convolution(values: Any, kernel: Any) -> Any:
            # What goes back from a window with so much before it has the rest of it before it.
            size = values.shape[1], values.shape[2]
            before = layer.kernel_size[0] - 1 - zeros_before(layer, size)[0]
            step = layer.strides[0]

            def backward(upstream: Any, values: Any, kernel: Any) -> Any:
                turned = self._transformed(kernel, turned=True)
                return self._convolve(upstream, turned, before, size, maps=maps(), step=step)

            return with_backward(own, backward)(values, kernel)

        own = layer.convolution_op
        return convolution

    def _forward(self, layer: Any) -> Callable[..., Any]:
        """A convolution of (values, kernel) that has no gradient."""

        def convolution(values: Any, kernel: Any) -> Any:
            before = zeros_before(layer, (values.shape[1], values.shape[2]))[0]
            more = 2 * before - layer.kernel_size[0] + 1
            size = (values.shape[1] + more, values.shape[2] + more)
            return self._convolve(values, self._transformed(kernel, turned=False), before, size)

        return convolution

    def product_of(self, step: Step) -> Callable[..., Any] | None:
        """The convolution with one tap that a step is, forwards and without a gradient, where it is not computed for
        too many filters in vain.

        It takes values and, by their names, a map `more` and what else `float_convolution.convolve` does at the end.
        """
        if not _is_worth_a_panel(step.layer.filters):
            return None
        stride = step.layer.strides[0]
        kernel = self._transformed(step.layer.kernel, turned=False)

        def product(values: Any, *, more: Any = None, **options: Any) -> Any:
            size = -(-values.shape[1] // stride), -(-values.shape[2] // stride)
            return self._convolve(values, kernel, 0, size, maps={"more": more}, stride=stride, **options)

        return product

    def _convolve(
        self,
        values: Any,
        kernel: float_convolution.Kernel,
        before: int,
        size: tuple[int, int],
        *,
        maps: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> Any:
        """By `float_convolution.convolve`, which takes the maps by their names; those that are None are not there."""
        return float_convolution.convolve(
            values, kernel, before=(before, before), size=size, threads=self.threads, **maps, **options
        )

    def _transformed(self, kernel: Any, *, turned: bool) -> float_convolution.Kernel:
        """The kernel, or what its backward pass convolves with: turned by half, channels and filters exchanged."""
        import tensorflow as tf

        place = id(kernel), turned
        if place not in self._kernels:
            with tf.init_scope():  # a variable has values only outside of what is traced
                values = kernel.numpy()
            made = float_convolution.Kernel(values[::-1, ::-1].transpose(0, 1, 3, 2) if turned else values)
            self._kernels[place] = kernel, made  # the kernel is kept, and with it its identity
        return self._kernels[place][1]


def suits_tiles(step: Step) -> bool:
    """Whether a step is a 3x3 convolution of every pixel, or one with one tap, with channels enough."""
    layer = step.layer
    if not is_ordinary(layer) or min(layer.kernel.shape[2:]) < LEAST_CHANNELS:
        return False
    if (layer.kernel_size, layer.strides) == ((3, 3), (1, 1)):
        return floats.is_available()
    channels = int(layer.kernel.shape[2])
    products = channels * math.prod(size or 0 for size in step.shape[1:])
    if layer.kernel_size != (1, 1) or len(set(layer.strides)) != 1 or products < LEAST_PRODUCTS:
        return False
    return floats.is_available() and _is_worth_a_panel(channels)


def _is_worth_a_panel(filters: int) -> bool:
    """Whether enough of what is computed for so many filters with one tap is theirs."""
    return filters >= LEAST_USE * float_convolution.filters_worked_on(filters)


def _transformed_bytes(step: Step) -> int:
    """Of a kernel in one direction; of one tap, which is no larger than before, in both."""
    taps, _, channels, filters = map(int, step.layer.kernel.shape)
    return 4 * (2 if taps == 1 else float_convolution.places(taps)) * channels * filters
