"""3x3 convolutions by Winograd's algorithm, two to three times faster than by the definition.

It rounds otherwise than the definition, by about 1e-5 of the greatest value. A backward pass is linear, so that is what
becomes of a map. A forward pass might turn a ReLU or a sign with it: it is taken only where no gradient passes one, as
with batch norms (see `folding.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from harness.native import winograd
from harness.saliency.engine.graph import Graph, Step, with_backward
from harness.saliency.engine.rewrites.convolutions import is_ordinary, zeros_before
from harness.saliency.engine.rewrites.folding import is_continuous

TAPS = winograd.TAPS
LEAST_CHANNELS = 32  # with fewer, transforming costs more than it saves


class Tiles:
    """Winograd's convolutions for one engine: kernels are transformed once, for all that is compiled.

    threads     that share a convolution.
    memory_mib  for all transformed kernels. Those of large maps, which are small and save most, come first.
    exact       whether a forward pass may be replaced only where no gradient passes a comparison.
    """

    def __init__(self, graph: Graph, *, threads: int, memory_mib: float, exact: bool = True) -> None:
        self.threads, self._exact = threads, exact
        self._graph, self._memory_bytes = graph, memory_mib * 2**20
        self._continuous = is_continuous(graph)
        self._kernels: dict[tuple[int, bool], tuple[Any, winograd.Kernel]] = {}

    @cached_property
    def _chosen(self) -> set[tuple[str, bool]]:
        """(name of a step, whether forwards) of what is transformed. The first look may build the library."""
        ways = (False, True) if self._continuous or not self._exact else (False,)
        wanted = [
            (_transformed_bytes(step), forwards, step.name)
            for step in self._graph.steps
            if suits_tiles(step.layer)
            for forwards in ways
        ]
        chosen, left = set(), self._memory_bytes
        for needed, forwards, name in sorted(wanted):
            left -= needed
            if left >= 0:
                chosen.add((name, forwards))
        return chosen

    def convolution_of(self, step: Step, *, passed: bool) -> Callable[..., Any] | None:
        """What replaces a step's convolution of (values, kernel), if anything.

        passed  a gradient passes the step.
        """
        forwards = self._continuous and not passed
        if (step.name, forwards) not in self._chosen:
            return None
        return self._forward(step.layer) if forwards else self._backward(step.layer)

    def forward_of(self, step: Step) -> Callable[..., Any] | None:
        """The step's convolution without a gradient, if its kernel is transformed."""
        return self._forward(step.layer) if (step.name, True) in self._chosen else None

    def backward_of(self, step: Step) -> Callable[..., Any] | None:
        """The step's own convolution with the quicker gradient, if its kernel is transformed for that."""
        return self._backward(step.layer) if (step.name, False) in self._chosen else None

    def _backward(self, layer: Any) -> Callable[..., Any]:
        """The layer's convolution of (values, kernel) with another backward pass."""

        def convolution(values: Any, kernel: Any) -> Any:
            # What goes back from a window with so much before it has the rest of it before it.
            size = values.shape[1], values.shape[2]
            before = TAPS - 1 - zeros_before(layer, size)[0]

            def backward(upstream: Any, values: Any, kernel: Any) -> Any:
                return self._convolve(upstream, self._transformed(kernel, turned=True), before, size)

            return with_backward(own, backward)(values, kernel)

        own = layer.convolution_op
        return convolution

    def _forward(self, layer: Any) -> Callable[..., Any]:
        """A convolution of (values, kernel) that has no gradient."""

        def convolution(values: Any, kernel: Any) -> Any:
            before = zeros_before(layer, (values.shape[1], values.shape[2]))[0]
            size = (values.shape[1] + 2 * before - TAPS + 1, values.shape[2] + 2 * before - TAPS + 1)
            return self._convolve(values, self._transformed(kernel, turned=False), before, size)

        return convolution

    def _convolve(self, values: Any, kernel: winograd.Kernel, before: int, size: tuple[int, int]) -> Any:
        import tensorflow as tf

        def run(values: Any) -> Any:
            return winograd.convolve(values, kernel, before=(before, before), size=size, threads=self.threads)

        result = tf.numpy_function(run, [values], tf.float32, stateful=False)
        return tf.ensure_shape(result, (values.shape[0], *size, kernel.filters))

    def _transformed(self, kernel: Any, *, turned: bool) -> winograd.Kernel:
        """The kernel, or what its backward pass convolves with: turned by half, channels and filters exchanged."""
        import tensorflow as tf

        place = id(kernel), turned
        if place not in self._kernels:
            with tf.init_scope():  # a variable has values only outside of what is traced
                values = kernel.numpy()
            made = winograd.Kernel(values[::-1, ::-1].transpose(0, 1, 3, 2) if turned else values)
            self._kernels[place] = kernel, made  # the kernel is kept, and with it its identity
        return self._kernels[place][1]


def suits_tiles(layer: Any) -> bool:
    """Whether a layer is a 3x3 convolution of every pixel, with channels enough."""
    return (
        is_ordinary(layer)
        and (layer.kernel_size, layer.strides) == ((TAPS, TAPS), (1, 1))
        and min(layer.kernel.shape[2:]) >= LEAST_CHANNELS
        and winograd.is_available()
    )


def _transformed_bytes(step: Step) -> int:
    return 4 * winograd.PLACES * int(step.layer.kernel.shape[2] * step.layer.kernel.shape[3])
