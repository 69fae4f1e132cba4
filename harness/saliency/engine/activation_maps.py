"""Which map of a model is its last convolution's, and which its last activation map.

Papers on class activation maps say "the last convolution" and mean one or the other: the convolution's own output, or
what the layers after it make of it before it is pooled, by a norm and a ReLU, a residual sum, an attention over
channels. Features are what a model goes on with, so the latter is the default.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from harness.keras_packages import keras_of, operation_name
from harness.saliency.engine.graph import Graph, Step
from harness.saliency.engine.quantizers import is_quantizer

ACTIVATION, NORM, POOL, NOTHING, LINEAR = "activation", "norm", "pool", "nothing new", "linear"
# By what the name of a layer's class holds, or that of a plain function; the rest is taken for an activation, such as a
# sum, a product, or a layer of the user's own.
WORDS = {
    "pool": POOL,
    "normalization": NORM,
    "normalize": NORM,
    "rescaling": NORM,
    "bias_add": NORM,
    "conv": LINEAR,
    "dense": LINEAR,
    "dropout": NOTHING,
    "noise": NOTHING,
    "identity": NOTHING,
    "regularization": NOTHING,
    "masking": NOTHING,
    "cast": NOTHING,
    "stop_gradient": NOTHING,
    "padding": NOTHING,
    "pad": NOTHING,
    "cropping": NOTHING,
    "crop": NOTHING,
    "upsampling": NOTHING,
    "resiz": NOTHING,
    "reshape": NOTHING,
    "permute": NOTHING,
    "transpose": NOTHING,
    "slicing": NOTHING,
    "getitem": NOTHING,
    "space": NOTHING,  # space_to_depth and back
    "random": NOTHING,
}


def kind_of(step: Step) -> str:
    """What a step does to a map. Signs are nothing new: binarized layers take them of a map that is real."""
    layer = _unwrapped(step.layer)
    activation = getattr(layer, "activation", None)
    if is_quantizer(layer) or is_quantizer(activation):
        return NOTHING
    if activation not in (None, keras_of(layer).activations.linear):
        return ACTIVATION
    name = operation_name(layer) or _known_class(layer)
    if name == "Activation":  # a linear one
        return NOTHING
    return next((kind for word, kind in WORDS.items() if word in name.lower()), ACTIVATION)


def is_convolution(step: Step) -> bool:
    layer = _unwrapped(step.layer)
    return "Conv" in type(layer).__name__ and hasattr(layer, "kernel_size")


def last_convolution(maps: Sequence[Step], passed: Collection[str]) -> str | None:
    """The last convolution, or the first map after it that all paths pass; without any convolution, the last map."""
    convolutions = [i for i, step in enumerate(maps) if is_convolution(step)]
    after_last = maps[convolutions[-1] :] if convolutions else []
    return next((step.name for step in after_last if step.name in passed), maps[-1].name if maps else None)


def last_activation(maps: Sequence[Step], passed: Collection[str]) -> str | None:
    """The last map that all paths pass, made by an activation or a sum, and no earlier than the convolution's.

    Without one, a norm that follows the convolution, or the convolution itself. What pools a map, or only moves its
    values or adds a constant to them, makes no map of its own.
    """
    convolution = last_convolution(maps, passed) if any(map(is_convolution, maps)) else None
    names = [step.name for step in maps]
    way = [step for step in maps[names.index(convolution) if convolution else 0 :] if step.name in passed]
    if not way:
        return last_convolution(maps, passed)
    if any(kind_of(step) == ACTIVATION for step in way):
        return last_made(way)
    norm = way[0].name
    for step in way[1:]:
        if kind_of(step) == POOL:
            break
        norm = step.name if kind_of(step) == NORM else norm
    return norm


def last_made(way: Sequence[Step]) -> str | None:
    """The last step that an activation or a sum made; the last one where none did."""
    made = [step.name for step in way if kind_of(step) == ACTIVATION] or [step.name for step in way]
    return made[-1] if made else None


def passed_by_all(graph: Graph) -> set[str]:
    """Names of the steps that lie on every path from the input to the output.

    In an order of execution, a step is passed by all paths if, once it is done, its output is the only tensor
    that later steps still read.
    """
    last_read = {tensor: i for i, step in enumerate(graph.steps) for tensor in step.inputs}
    last_read[graph.output] = len(graph.steps)
    passed, alive = set(), {graph.input}
    for i, step in enumerate(graph.steps):
        alive.update(step.outputs)
        alive = {tensor for tensor in alive if last_read.get(tensor, -1) > i}
        if alive == set(step.outputs):
            passed.add(step.name)
    return passed


def _known_class(layer: Any) -> str:
    """The name of a layer's class, or of that class of a library which the user's own is made from."""
    homes = ("tf_keras", "keras", "larq")
    return next((kind.__name__ for kind in type(layer).__mro__ if kind.__module__.partition(".")[0] in homes), "")


def _unwrapped(layer: Any) -> Any:
    """The layer that a wrapper, such as SpectralNormalization, holds."""
    inner = getattr(layer, "layer", None)
    return layer if inner is None else inner
