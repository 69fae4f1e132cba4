"""The gradient engine: one Keras model, compiled for saliency.

A pass over a batch gives logits, the input gradient and the feature maps and gradients of any layers together. Shapes
are static: all batches of a request have one size, the last one is filled up by repeating its last image. Memory is
bounded by the batches at work, never by the number of images or copies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, MeasurementError
from harness.saliency.attribution import Array, Backward
from harness.saliency.engine import layers, logits
from harness.saliency.engine.compiled import PREDICTED, all_finite, as_numpy, compiled, first_not_finite, joined, padded
from harness.saliency.engine.graph import Graph, read_graph
from harness.saliency.engine.rewrites import apply, binarized, folding, relus
from harness.saliency.engine.rewrites.tiles import Tiles
from harness.saliency.threads import batches_at_a_time, threads_of_an_operation

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_BATCH = 8  # more gains nothing on the CPUs that we measured
MAX_BATCH_OF_A_THREAD = 4  # of several: each is as fast with 4 as with 8, and needs half the memory
MAX_BATCH_FOR_WEIGHTS = 16  # where they outweigh the activations of so many images, and each batch reads them anew
KERNELS_SHARE = 12  # of the memory budget, beside it: transformed kernels
LARGEST_MAP_MIB = 32  # a batch with a larger feature map gains nothing: every operation has enough to do
_TRACING = threading.RLock()  # tracing patches layers for a moment, and a layer may belong to several engines


class GradientEngine:
    """Compiled logits and gradients of one model. The model's weights are read once, when the engine is made.

    model              functional or sequential Keras model, (N, H, W, C) -> (N, classes), softmax head or none.
    batch_size         images per pass; by default what the memory budget allows, 8 at most; 4 with several
                       threads, and 16 for a network whose weights outweigh its activations.
    memory_budget_mib  bound on the activations and gradients held at a time, all threads together. Kernels that are
                       kept in another form, which is faster, take a twelfth of it besides.
    threads            batches at a time; by default one per core if TensorFlow was told to use one thread inside an
                       operation (see `threads.py`), else one.
    fast               False runs the model's own layers unchanged: the plain graph that the fast one is tested against.
    """

    def __init__(
        self,
        model: Any,
        *,
        batch_size: int | None = None,
        memory_budget_mib: int = 2048,
        threads: int | None = None,
        fast: bool = True,
    ) -> None:
        graph, self.has_softmax = logits.split_softmax(read_graph(model))
        self.name = str(model.name)
        self.fast = fast
        self.threads = threads or batches_at_a_time()
        inside = 1 if self.threads > 1 else threads_of_an_operation()
        self.graph = binarized.quantize_kernels_once(graph, threads=inside) if fast else graph
        self.candidates = layers.candidates(self.graph)
        self.pseudo_gradient = binarized.has_pseudo_gradient(self.graph)
        self.folds = folding.find_folds(self.graph) if fast else ()
        self.tiles = Tiles(self.graph, threads=inside, memory_mib=memory_budget_mib / KERNELS_SHARE)
        self.classes = int(model.output_shape[-1])
        self.input_shape: tuple[int | None, ...] = tuple(model.input_shape[1:])
        most = MAX_BATCH if self.threads == 1 else MAX_BATCH_OF_A_THREAD
        self.batch_size = batch_size or _batch_size(self.graph, memory_budget_mib / self.threads, most=most)
        self._idle: dict[Any, list[Any]] = {}  # compiled functions that nobody runs at the moment
        self._variants: dict[Any, GradientEngine] = {}
        self._inside = threading.local()
        self._pool = ThreadPoolExecutor(self.threads)  # kept: oneDNN prepares each operation anew in a new thread
        self._looked_at_activations = False

    def logits(self, images: Array) -> Array:
        """(N, classes), before any softmax."""
        return self._batches(images, np.zeros(len(images), np.int64), layers=(), wanted="logits").logits

    def scores(self, images: Array) -> Array:
        """(N, classes): what the model itself returns, softmax included if it has one."""
        values = self.logits(images)
        if not self.has_softmax:
            return values
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

    def backward(
        self, images: Array, targets: NDArray[np.int64], *, layers: Sequence[str] = (), input_gradient: bool = True
    ) -> Backward:
        """Logits, and the gradients of each image's target logit by its input and by the features of `layers`.

        Raises MeasurementError naming the first layer whose activations are not finite.
        """
        return self._batches(images, targets, layers=tuple(layers), wanted="input" if input_gradient else "features")

    def features(self, images: Array, layer: str) -> Array:
        """(N, h, w, channels): the output of a layer, from a forward pass."""
        targets = np.zeros(len(images), np.int64)
        return self._batches(images, targets, layers=(layer,), wanted="logits").features[layer]

    def layer(self, name: str) -> str:
        """The target layer of this name; "default" gives the model's default one."""
        return layers.resolve(self.candidates, name, model_name=self.name)

    def variant(self, *, ste: str = "own", relu: str = "own") -> GradientEngine:
        """This engine with other backward rules for quantizers or ReLUs; weights are shared."""
        if (ste, relu) == ("own", "own"):
            return self
        if (ste, relu) not in self._variants:
            other = object.__new__(GradientEngine)
            other.__dict__.update(self.__dict__)
            swapped = binarized.swap_ste(self.graph, ste)
            other.graph = relus.guided(swapped) if relu == "guided" else swapped
            other._idle, other._variants = {}, {}
            self._variants[ste, relu] = other
        return self._variants[ste, relu]

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        """(chunk, work(chunk)) for chunks of a batch each, in order; `threads` chunks are worked on at a time."""
        size = getattr(self._inside, "size", None) or self._size_of_batches(len(items))
        chunks = (list(items[i : i + size]) for i in range(0, len(items), size))

        def run(chunk: list[Item]) -> Result:
            outer, self._inside.size = getattr(self._inside, "size", None), size
            try:
                return work(chunk)
            finally:
                self._inside.size = outer

        if self.threads == 1 or len(items) <= size or getattr(self._inside, "size", None):
            yield from ((chunk, run(chunk)) for chunk in chunks)
            return
        waiting: list[tuple[list[Item], Future[Result]]] = []
        try:
            for chunk in chunks:
                waiting.append((chunk, self._pool.submit(run, chunk)))
                if len(waiting) > self.threads:  # bounds what is held, and keeps every thread busy
                    done, future = waiting.pop(0)
                    yield done, future.result()
            yield from ((chunk, future.result()) for chunk, future in waiting)
        finally:
            wait([future for _, future in waiting])  # after an error, too, nothing goes on behind the caller's back

    def _size_of_batches(self, count: int) -> int:
        """A power of two, so that few sizes are compiled, that gives each thread its share; `batch_size` at most."""
        share = -(-count // self.threads)
        return min(self.batch_size, 1 << (share - 1).bit_length())

    def _batches(self, images: Array, targets: NDArray[np.int64], *, layers: tuple[str, ...], wanted: str) -> Backward:
        def work(chunk: list[int]) -> Backward:
            return self._batch(images[chunk], targets[chunk], layers=layers, wanted=wanted)

        self._check(images, targets)
        if not self._looked_at_activations:  # once, with one image: what is wrong with weights shows on any image
            self._check_activations(images[:1])
            self._looked_at_activations = True
        return joined([result for _, result in self.map(range(len(images)), work)])

    def _batch(self, images: Array, targets: NDArray[np.int64], *, layers: tuple[str, ...], wanted: str) -> Backward:
        """One padded batch through the compiled function."""
        count, size = len(images), self._inside.size
        padding = size - count
        with self._function((size, *images.shape[1:]), layers, wanted) as function:
            arrays = function(padded(images, padding), padded(targets.astype(np.int32), padding))
        values, chosen, gradient, features, gradients = as_numpy(arrays, count)
        result = Backward(
            images=images,
            logits=values,
            targets=chosen.astype(np.int64),
            input_gradient=gradient,
            features=features,
            gradients=gradients,
        )
        if not all_finite(result):
            self._check_activations(images)
            raise MeasurementError(f'model "{self.name}": the activations are finite but their gradient is not')
        return result

    @contextmanager
    def _function(self, shape: tuple[int, ...], layers: tuple[str, ...], wanted: str) -> Iterator[Any]:
        """A compiled function that nobody else runs meanwhile: TensorFlow may keep a sum in a variable of its name."""
        idle = self._idle.setdefault((shape, layers, wanted), [])
        try:
            function = idle.pop()
        except IndexError:
            with _TRACING:
                function = compiled(self._traced_graph(layers, wanted), shape, layers, wanted)
        yield function
        idle.append(function)

    def _traced_graph(self, keep: tuple[str, ...], wanted: str) -> Graph:
        """What is compiled: the graph, rewritten where that leaves the maps and the outputs of `keep` as they are."""
        if not self.fast:
            return self.graph
        sources = {"input": (), "features": keep, "logits": (self.graph.steps[-1].name,)}[wanted]
        return apply.quicken(self.graph, self.folds, self.tiles, keep=keep, sources=sources)

    def _check(self, images: Array, targets: NDArray[np.int64]) -> None:
        expected = tuple(size or "any" for size in self.input_shape)
        if (
            images.ndim != 4
            or len(images) == 0
            or any(
                size is not None and size != got for size, got in zip(self.input_shape, images.shape[1:], strict=True)
            )
        ):
            raise ConfigError(f'model "{self.name}": expected images of shape (N, *{expected}), got {images.shape}')
        if not np.isfinite(images).all():
            raise MeasurementError(f'model "{self.name}": the images hold NaN or infinite values')
        if targets.shape != (len(images),) or targets.min() < PREDICTED or targets.max() >= self.classes:
            raise ConfigError(
                f'model "{self.name}": expected one target class from 0 to {self.classes - 1} per image, '
                f"got {targets.tolist()} for {len(images)} images"
            )

    def _check_activations(self, images: Array) -> None:
        """Look at the output of every layer. Raises MeasurementError naming the first one that is not finite."""
        with _TRACING:
            layer = first_not_finite(self.graph, images)
        if layer is not None:
            raise MeasurementError(
                f'model "{self.name}": layer "{layer}" gives NaN or infinite activations',
                hint="check the weights and the preprocessing of the images",
            )


def _batch_size(graph: Graph, memory_budget_mib: float, *, most: int) -> int:
    """The greatest power of two whose activations and gradients, about the sum of all outputs, fit the budget."""
    outputs = [4 * int(np.prod([size or 1 for size in step.shape[1:]])) for step in graph.steps]  # bytes per image
    weights = sum(4 * step.layer.count_params() for step in graph.steps)
    most = max(most, min(MAX_BATCH_FOR_WEIGHTS, weights // sum(outputs)))
    fitting = min(memory_budget_mib * 2**20 // sum(outputs), LARGEST_MAP_MIB * 2**20 // max(outputs))
    return 1 << (int(np.clip(fitting, 1, most)).bit_length() - 1)
