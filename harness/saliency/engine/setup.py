"""What an engine knows before its first pass: a model read once, and how its passes will be run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, MeasurementError, shown
from harness.outputs import class_count
from harness.parameters import whole_number
from harness.saliency.attribution import Array
from harness.saliency.engine import layers, logits
from harness.saliency.engine.batches import Batches
from harness.saliency.engine.compiled import PREDICTED
from harness.saliency.engine.graph import Graph, Step, read_graph
from harness.saliency.engine.head import Head
from harness.saliency.engine.own_call import OwnCall
from harness.saliency.engine.rewrites import binarized, counting, folding, halves
from harness.saliency.engine.rewrites.norms import Norms
from harness.saliency.engine.rewrites.tiles import Tiles
from harness.saliency.precision import FLOAT32, check_precision, refused_for
from harness.saliency.threads import batches_at_a_time, threads_of_an_operation

MAX_BATCH = 8  # more gains nothing on the CPUs that we measured
MAX_BATCH_OF_A_THREAD = 4  # of several: each is as fast with 4 as with 8, and needs half the memory
MAX_BATCH_FOR_WEIGHTS = 16  # where they outweigh the activations of so many images, and each batch reads them again
KERNELS_FRACTION = 4  # this part of the memory budget is for transformed kernels
MOST_GIVEN = 2**20  # images of a batch, MiB or threads that a caller may ask for
LARGEST_MAP_MIB = 32  # a batch with a larger feature map gains nothing: every operation has enough to do
LARGEST_MAP_MIB_FOR_WEIGHTS = 64  # where weights outweigh the activations of an image, as VGG16's do


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSetup:
    """A model made ready for its passes. The variants of an engine share all of it but the graph.

    graph            up to the logits, once the head is known; quantized kernels as constants if `fast`.
    columns          of the model's outputs.
    output           the kind of its outputs that was declared, see `harness.outputs`; "" where it is to be found.
    head             what follows the logits; None until images were seen, where its layers do not say it.
    pseudo_gradient  whether a gradient goes through a quantizer.
    candidates       layers that a class activation map can be taken from.
    own_call         what the model itself returns, to compare with once.
    precision        of the products of convolutions, one of `precision.PRECISIONS`.
    folds, tiles, norms  of rewrites that make passes faster.
    """

    name: str
    graph: Graph
    input_shape: tuple[int | None, ...]
    columns: int
    output: str
    head: Head | None
    pseudo_gradient: bool
    candidates: list[layers.LayerInfo]
    fast: bool
    precision: str
    folds: tuple[folding.Fold, ...]
    tiles: Tiles
    norms: Norms
    batches: Batches
    own_call: OwnCall

    @property
    def classes(self) -> int:
        return class_count(self.columns)

    def with_head(self, images: Array) -> EngineSetup:
        """The same with its head known, by its values on images (N, H, W, C)."""
        if self.head is not None:
            return self
        head = logits.settled(self.graph, self.output, images, name=self.name)
        return replace(self, graph=head.graph, head=head)

    def check(self, images: Array, targets: NDArray[np.int64]) -> None:
        """Raises ConfigError or MeasurementError for images or targets that no pass of this model can take."""
        expected, got = self.input_shape, images.shape[1:]
        if images.ndim != 4 or len(images) == 0 or any(e not in (None, g) for e, g in zip(expected, got, strict=True)):
            sizes = tuple(size or "any" for size in expected)
            raise ConfigError(f'model "{self.name}": expected images of shape (N, *{sizes}), got {images.shape}')
        if not np.isfinite(images).all():
            raise MeasurementError(f'model "{self.name}": the images hold NaN or infinite values')
        if targets.shape != (len(images),) or targets.min() < PREDICTED or targets.max() >= self.classes:
            raise ConfigError(
                f'model "{self.name}": expected one target class from 0 to {self.classes - 1} per image, '
                f"got {shown(targets.tolist())} for {len(images)} images"
            )


def set_up(
    model: Any,
    *,
    output: str,
    batch_size: int | None,
    memory_budget_mib: int,
    threads: int | None,
    fast: bool,
    precision: str,
) -> EngineSetup:
    """Read a Keras model; the arguments are those of `GradientEngine`."""
    check_precision(precision)
    for name, value in {"batch_size": batch_size, "memory_budget_mib": memory_budget_mib, "threads": threads}.items():
        if value is not None:
            whole_number(value, where=name, least=1, most=MOST_GIVEN)
    graph = read_graph(model)
    head = logits.recognised(graph, output, name=str(model.name))
    graph = head.graph if head else graph
    at_a_time = threads or batches_at_a_time()
    fast = fast and all(map(_computes_in_single, graph.steps))
    if precision != FLOAT32:
        _check_reducible(graph, tuple(model.input_shape[1:]), str(model.name), fast=fast)
    inside = 1 if at_a_time > 1 else threads_of_an_operation()
    if fast:
        graph = counting.quantize_kernels_once(graph, threads=inside)
    most = MAX_BATCH if at_a_time == 1 else MAX_BATCH_OF_A_THREAD
    for_kernels = memory_budget_mib / KERNELS_FRACTION
    return EngineSetup(
        name=str(model.name),
        graph=graph,
        input_shape=tuple(model.input_shape[1:]),
        columns=int(model.output_shape[-1]),
        output=output,
        head=head,
        pseudo_gradient=binarized.has_pseudo_gradient(graph),
        candidates=layers.candidates(graph),
        fast=fast,
        precision=precision,
        folds=folding.find_folds(graph) if fast else (),
        tiles=Tiles(graph, threads=inside, memory_mib=for_kernels, exact=precision == FLOAT32),
        norms=Norms(),
        batches=Batches(
            most=batch_size or _batch_size(graph, (memory_budget_mib - for_kernels) / at_a_time, most=most),
            threads=at_a_time,
        ),
        own_call=OwnCall(model, str(model.name)),
    )


def _check_reducible(graph: Graph, shape: tuple[int | None, ...], name: str, *, fast: bool) -> None:
    """Raises ConfigError for a model that no precision but its own is for."""
    if not fast:
        raise refused_for(name, "its layers run as they are, or in a precision of their own")
    halves.check_suits(graph, shape, name=name)


def _computes_in_single(step: Step) -> bool:
    """What rewrites compute in; a mixed precision policy makes layers compute in halves."""
    return getattr(step.layer, "compute_dtype", None) in (None, "float32")


def _batch_size(graph: Graph, memory_budget_mib: float, *, most: int) -> int:
    """The greatest power of two whose activations and gradients, about the sum of all outputs, fit the budget."""
    outputs = [4 * int(np.prod([size or 1 for size in step.shape[1:]])) for step in graph.steps]  # bytes per image
    weights = sum(4 * step.layer.count_params() for step in graph.steps if hasattr(step.layer, "count_params"))
    most = max(most, min(MAX_BATCH_FOR_WEIGHTS, weights // sum(outputs)))
    largest_mib = LARGEST_MAP_MIB if weights <= sum(outputs) else LARGEST_MAP_MIB_FOR_WEIGHTS
    fitting = min(memory_budget_mib * 2**20 // sum(outputs), largest_mib * 2**20 // max(outputs))
    return 1 << (int(np.clip(fitting, 1, most)).bit_length() - 1)
