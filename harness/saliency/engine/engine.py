"""The gradient engine: one Keras model, compiled for saliency.

A pass over a batch gives logits, the input gradient and the feature maps and gradients of any layers together. Shapes
are static: all batches of a request have one size, the last one is filled up by repeating its last image. Memory is
bounded by the batches at work, never by the number of images or copies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MeasurementError
from harness.saliency.attribution import Array, Backward
from harness.saliency.engine import layers
from harness.saliency.engine.batches import Item, Result
from harness.saliency.engine.compiled import all_finite, as_numpy, compiled, first_not_finite, joined, padded
from harness.saliency.engine.graph import Graph
from harness.saliency.engine.head import Head
from harness.saliency.engine.rewrites import binarized, relus
from harness.saliency.engine.rewrites.fast_graph import rewritten
from harness.saliency.engine.setup import EngineSetup, set_up
from harness.saliency.precision import BFLOAT16, FLOAT32

_TRACING = threading.RLock()  # tracing patches layers for a moment, and a layer may belong to several engines


class GradientEngine:
    """Compiled logits and gradients of one model. The model's weights are read once, when the engine is made.

    model              functional or sequential Keras model, (N, H, W, C) -> (N, classes), whatever its outputs are; or
                       the setup of another engine, which has decided all that follows.
    output             what its outputs are, one of `harness.outputs.KINDS`; by default what their values say on the
                       first images that the engine sees.
    batch_size         images per pass; by default what the memory budget allows, 8 at most; 4 with several
                       threads, and 16 for a model whose weights outweigh its activations.
    memory_budget_mib  bound on the activations and gradients held at a time, all threads together, and on kernels that
                       are kept in another form, which is faster: they take a quarter of it at most. Beside it,
                       up to 128 MiB of memory stay with the process for its next pass.
    threads            batches at a time; by default one per core if TensorFlow was told to use one thread inside an
                       operation (see `threads.py`), else one.
    fast               False runs the model's own layers unchanged: the plain graph that the fast one is tested against.
    precision          "float32", or "bfloat16" for the products of convolutions, on a CPU that multiplies it: faster,
                       and other maps; by how much is to be said with them. Raises ConfigError for a binarized
                       model, or any other with a step in it, and on another CPU.
    """

    def __init__(
        self,
        model: Any,
        *,
        output: str = "",
        batch_size: int | None = None,
        memory_budget_mib: int = 2048,
        threads: int | None = None,
        fast: bool = True,
        precision: str = FLOAT32,
    ) -> None:
        if isinstance(model, EngineSetup):
            setup = model
        else:
            with _TRACING:
                setup = set_up(
                    model,
                    output=output,
                    batch_size=batch_size,
                    memory_budget_mib=memory_budget_mib,
                    threads=threads,
                    fast=fast,
                    precision=precision,
                )
        self.setup = setup
        self.name, self.graph, self.candidates = setup.name, setup.graph, setup.candidates
        self.precision = setup.precision
        self.pseudo_gradient = setup.pseudo_gradient
        self.batch_size = setup.batches.most
        self._idle: dict[Any, list[Any]] = {}  # compiled functions that nobody runs at the moment
        self._variants: dict[Any, GradientEngine] = {}
        self._looked_at_activations = False

    @property
    def head(self) -> Head:
        """What follows the logits, once the engine has seen images."""
        assert self.setup.head is not None, "no image was seen yet"
        return self.setup.head

    def logits(self, images: Array) -> Array:
        """(N, classes), before any softmax or sigmoid. A model of one column has two classes, with logits -z and z."""
        return self._batches(images, np.zeros(len(images), np.int64), layers=(), wanted="logits").logits

    def outputs(self, images: Array) -> Array:
        """(N, columns): what the model itself returns."""
        return self._returned(self.logits(images))

    def scores(self, images: Array) -> Array:
        """(N, classes): the probability of each class, by what the model's outputs are."""
        values = self.logits(images)
        return self.head.scores(values)

    def seen(self, images: Array) -> Array:
        """The images themselves: inputs are floats."""
        return images

    def backward(
        self, images: Array, targets: NDArray[np.int64], *, layers: Sequence[str] = (), input_gradient: bool = True
    ) -> Backward:
        """Logits, and the gradients of each image's target logit by its input and by the features of `layers`.

        Raises MeasurementError naming the first layer whose activations are not finite.
        """
        return self._batches(images, targets, layers=tuple(layers), wanted="input" if input_gradient else "features")

    def features(self, images: Array, layer: str) -> Array:
        """(N, h, w, channels): the output of a layer, from a forward pass; tokens as they are laid out."""
        targets = np.zeros(len(images), np.int64)
        return self._batches(images, targets, layers=(layer,), wanted="logits").features[layer]

    def layer(self, name: str) -> str:
        """The target layer of this name, or of a reading such as "default" or "convolution"."""
        return layers.resolve(self.candidates, name, model_name=self.name)

    def variant(self, *, ste: str = "own", relu: str = "own") -> GradientEngine:
        """This engine with other backward rules for quantizers or ReLUs; it shares all but the compiled functions."""
        if (ste, relu) == ("own", "own"):
            return self
        if (ste, relu) not in self._variants:
            swapped = binarized.swap_ste(self.graph, ste)
            graph = relus.guided(swapped) if relu == "guided" else swapped
            self._variants[ste, relu] = GradientEngine(replace(self.setup, graph=graph))
        return self._variants[ste, relu]

    def look_at(self, images: Array, targets: NDArray[np.int64]) -> None:
        """Check images and targets; with the first ones also the model, and find its logits if its layers do not say.

        Raises ConfigError or MeasurementError.
        """
        self.setup.check(images, targets)
        if not self._looked_at_activations:  # once: what is wrong with weights, or with the graph, shows on any image
            self._check_activations(images[:1])
            with _TRACING:
                self.setup = self.setup.with_head(images)
                self.graph = self.setup.graph
                self.setup.own_call.check(self.graph, images[:2], scores=self._returned)
            self._looked_at_activations = True

    def _returned(self, logits: Array) -> Array:
        """What the model returns where these are its logits."""
        return self.head.returned(logits)

    def _laid_out(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """Outputs of layers, or gradients by them, with tokens as a map."""
        tokens = {info.name: info for info in self.candidates if info.layout != "map" and info.name in arrays}
        return arrays | {name: layers.as_map(arrays[name], info) for name, info in tokens.items()}

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        """(chunk, work(chunk)) for chunks of a batch each, in order; `threads` chunks are worked on at a time."""
        return self.setup.batches.map(items, work)

    @contextmanager
    def function(self, shape: tuple[int, ...], layers: tuple[str, ...], wanted: str) -> Iterator[Any]:
        """A compiled function that nobody else runs meanwhile: TensorFlow may keep a sum in a variable of its name."""
        idle = self._idle.setdefault((shape, layers, wanted), [])
        try:
            function = idle.pop()
        except IndexError:
            with _TRACING:
                function = compiled(self._traced_graph(shape[0], layers, wanted), shape, layers, wanted)
        yield function
        idle.append(function)

    def _traced_graph(self, batch: int, keep: tuple[str, ...], wanted: str) -> Graph:
        """What is compiled: the graph, rewritten where that leaves the maps and the outputs of `keep` as they are."""
        if not self.setup.fast:
            return self.graph
        sources = {"input": (), "features": keep, "logits": (self.graph.steps[-1].name,)}[wanted]
        return rewritten(
            self.graph,
            self.setup.folds,
            self.setup.tiles,
            self.setup.norms,
            batch=batch,
            keep=keep,
            sources=sources,
            halves=self.precision == BFLOAT16,
        )

    def _batches(self, images: Array, targets: NDArray[np.int64], *, layers: tuple[str, ...], wanted: str) -> Backward:
        def work(chunk: list[int]) -> Backward:
            return self._batch(images[chunk], targets[chunk], layers=layers, wanted=wanted)

        self.look_at(images, targets)
        return joined([result for _, result in self.map(range(len(images)), work)])

    def _batch(self, images: Array, targets: NDArray[np.int64], *, layers: tuple[str, ...], wanted: str) -> Backward:
        """One padded batch through the compiled function."""
        count, size = len(images), self.setup.batches.size
        assert size is not None, "batches are made by `map`"
        padding = size - count
        with self.function((size, *images.shape[1:]), layers, wanted) as function:
            arrays = function(padded(images, padding), padded(targets.astype(np.int32), padding))
        values, chosen, gradient, *of_layers = as_numpy(arrays, count)
        features, gradients = map(self._laid_out, of_layers)
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

    def _check_activations(self, images: Array) -> None:
        """Look at the output of every layer. Raises MeasurementError naming the first one that is not finite."""
        with _TRACING:
            layer = first_not_finite(self.graph, images)
        if layer is not None:
            raise MeasurementError(
                f'model "{self.name}": layer "{layer}" gives NaN or infinite activations',
                hint="check the weights and the preprocessing of the images",
            )
