"""Target layers of class activation maps: the candidates of a model, and which one is the default.

GradCAM's "last convolution" is read as: the last place with a spatial map larger than 1x1, at or after the last
convolution with such a map, that every path from the image to the logits passes. So a convolution on a 1x1 map (a
classifier in disguise) is never taken, nor one on a branch that a residual sum joins afterwards: the sum is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, nearest
from harness.saliency.engine.graph import Graph, Step, read_graph

_FRACTION = re.compile(r"\d{1,2}%|100%")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One layer. A height or width of 0 is one that the model leaves open."""

    name: str
    kind: str  # class of the layer
    height: int
    width: int
    channels: int
    convolution: bool
    bypassed: bool  # some path from the image to the logits does not pass here
    default: bool


def list_layers(model: Any) -> list[LayerInfo]:
    """All layers of a Keras model with a spatial map larger than 1x1; exactly one is the default, if there is any."""
    return candidates(read_graph(model))


def list_one_pixel_convolutions(model: Any) -> list[LayerInfo]:
    """The convolutions that are not candidates, since their map is a single pixel: it would always be blank."""
    graph = read_graph(model)
    passed = _passed_by_all(graph)
    return [_info(step, passed) for step in graph.steps if _is_convolution(step) and step.shape[1:3] == (1, 1)]


def candidates(graph: Graph) -> list[LayerInfo]:
    """The layers that a class activation map can be taken from."""
    spatial = [step for step in graph.steps if _is_spatial(step)]
    passed = _passed_by_all(graph)
    chosen = _default(spatial, passed)
    return [_info(step, passed, default=step.name == chosen) for step in spatial]


def resolve(infos: list[LayerInfo], layer: str, *, model_name: str) -> str:
    """The name of a candidate; "default" gives the default one, and "50%" the one half-way that every path passes.

    A fraction of the way means the same for models whose layers have different names. Raises ConfigError with the
    nearest name.
    """
    names = [info.name for info in infos]
    if not names:
        raise ConfigError(
            f'model "{model_name}": no layer has a spatial map larger than 1x1, so it has no class activation map',
            hint="a method that needs no layer, such as gradient",
        )
    if layer == "default":
        return next((info.name for info in infos if info.default), names[-1])
    if _FRACTION.fullmatch(layer):
        on_the_way = [info.name for info in infos if not info.bypassed] or names
        return on_the_way[round(int(layer[:-1]) / 100 * (len(on_the_way) - 1))]
    if layer not in names:
        raise ConfigError(
            f'layer: model "{model_name}" has no layer "{layer}" with a spatial map larger than 1x1',
            hint=nearest(layer, names),
        )
    return layer


def _info(step: Step, passed: set[str], *, default: bool = False) -> LayerInfo:
    return LayerInfo(
        name=step.name,
        kind=type(step.layer).__name__,
        height=step.shape[1] or 0,
        width=step.shape[2] or 0,
        channels=step.shape[3] or 0,
        convolution=_is_convolution(step),
        bypassed=step.name not in passed,
        default=default,
    )


def _default(spatial: list[Step], passed: set[str]) -> str | None:
    convolutions = [i for i, step in enumerate(spatial) if _is_convolution(step)]
    after_last = spatial[convolutions[-1] :] if convolutions else []
    return next((step.name for step in after_last if step.name in passed), spatial[-1].name if spatial else None)


def _passed_by_all(graph: Graph) -> set[str]:
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


def _is_spatial(step: Step) -> bool:
    return len(step.shape) == 4 and step.shape[1:3] != (1, 1)


def _is_convolution(step: Step) -> bool:
    return "Conv" in type(step.layer).__name__ and hasattr(step.layer, "kernel_size")
