"""Target layers of class activation maps: the candidates of a model, and which one is meant by what name.

A candidate has a spatial map larger than 1x1, or tokens that can be laid out as one. Whatever a model's layers are
called, `last_activation` is the last map that every path from the image to the logits passes, after norm and ReLU, and
`last_convolution` the one of the convolution itself, or of the sum where it stands on a branch. So a convolution on a
1x1 map (a classifier in disguise) is never meant.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, nearest
from harness.saliency.attribution import Array
from harness.saliency.engine.activation_maps import (
    is_convolution,
    last_activation,
    last_convolution,
    last_made,
    passed_by_all,
)
from harness.saliency.engine.graph import Graph, Step, read_graph
from harness.saliency.engine.tokens import TokenMap, is_attention, token_maps, tokens_that_count

_FRACTION = re.compile(r"\d{1,2}%|100%")


LAST_ACTIVATION, LAST_CONVOLUTION = "last_activation", "last_convolution"
READINGS = {
    "default": LAST_ACTIVATION,
    "activation": LAST_ACTIVATION,
    "convolution": LAST_CONVOLUTION,
}  # said in short, unless a layer has that very name
HIDDEN = "mixes tokens by attention, and after the first one it has no map that shows places of the image"
NO_CONVOLUTION = "has no convolution with a map larger than 1x1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One layer. A height or width of 0 is one that the model leaves open.

    layout  "map", or "tokens" and where a class token stands: then height and width are those of their grid.
    """

    name: str
    kind: str  # class of the layer
    height: int
    width: int
    channels: int
    layout: str = "map"
    convolution: bool
    bypassed: bool  # some path from the image to the logits does not pass here
    default: bool  # the last activation
    last_convolution: bool


def list_layers(model: Any) -> list[LayerInfo]:
    """All layers of a Keras model with a map larger than 1x1; at most one of them is the default."""
    return candidates(read_graph(model))


def list_one_pixel_convolutions(model: Any) -> list[LayerInfo]:
    """The convolutions that are not candidates, since their map is a single pixel: it would always be blank."""
    graph = read_graph(model)
    passed = passed_by_all(graph)
    return [_info(step, passed) for step in graph.steps if is_convolution(step) and step.shape[1:3] == (1, 1)]


def candidates(graph: Graph) -> list[LayerInfo]:
    """The layers that a class activation map can be taken from."""
    passed = passed_by_all(graph)
    tokens = token_maps(graph, passed)
    spatial = _spatial(graph, passed, tokens)
    convolution = last_convolution(spatial, passed) if any(map(is_convolution, spatial)) else None
    chosen = last_activation(spatial, passed)
    if tokens and not any(step.name in passed for step in spatial if _comes_after(graph, step, tokens[-1].step)):
        chosen = last_made(tokens_that_count(tokens, graph, passed)) or chosen
    grids = {token_map.step.name: token_map for token_map in tokens}
    if chosen not in grids and _is_before_attention(graph, chosen, passed):
        chosen = None
    found = {step.name for step in spatial} | grids.keys()
    return [
        _info(step, passed, grids.get(step.name), default=step.name == chosen, last=step.name == convolution)
        for step in graph.steps
        if step.name in found
    ]


def resolve(infos: list[LayerInfo], layer: str, *, model_name: str) -> str:
    """The name of a candidate: what is asked for by its name, by a reading, or by a fraction of the way.

    "50%" is the layer half-way among those that every path passes; it means the same for models whose layers have
    different names. Raises ConfigError with the nearest name.
    """
    names = [info.name for info in infos]
    if not names:
        raise ConfigError(
            f'model "{model_name}": no layer has a spatial map larger than 1x1, so there is no class activation map',
            hint="a method that needs no layer, such as gradient",
        )
    if layer in names:
        return layer
    reading = READINGS.get(layer, layer)
    if reading == LAST_ACTIVATION:
        return _only([info for info in infos if info.default], infos, model_name, why=HIDDEN)
    if reading == LAST_CONVOLUTION:
        return _only([info for info in infos if info.last_convolution], infos, model_name, why=NO_CONVOLUTION)
    if _FRACTION.fullmatch(layer):
        on_the_way = [info.name for info in infos if not info.bypassed] or names
        return on_the_way[round(int(layer[:-1]) / 100 * (len(on_the_way) - 1))]
    raise ConfigError(
        f'layer: model "{model_name}" has no layer "{layer}" with a spatial map larger than 1x1',
        hint=nearest(layer, [*names, *READINGS]),
    )


def as_map(tokens: Array, info: LayerInfo) -> Array:
    """Tokens (N, T, channels) of a layer as a map (N, h, w, channels), without a class token."""
    first = int(info.layout.endswith("after a class token"))
    patches = tokens[:, first : first + info.height * info.width]
    return patches.reshape(len(tokens), info.height, info.width, -1)


def _only(found: list[LayerInfo], infos: list[LayerInfo], model_name: str, *, why: str) -> str:
    if not found:
        raise ConfigError(
            f'layer: model "{model_name}" {why}',
            hint=f'a method that needs no layer, such as gradient, or layer = "{infos[-1].name}" by its name',
        )
    return found[0].name


def _info(
    step: Step, passed: set[str], tokens: TokenMap | None = None, *, default: bool = False, last: bool = False
) -> LayerInfo:
    height, width = (tokens.height, tokens.width) if tokens else step.shape[1:3]
    return LayerInfo(
        name=step.name,
        kind=type(step.layer).__name__,
        height=height or 0,
        width=width or 0,
        channels=step.shape[-1] or 0,
        layout=tokens.layout if tokens else "map",
        convolution=is_convolution(step),
        bypassed=step.name not in passed,
        default=default,
        last_convolution=last,
    )


def _spatial(graph: Graph, passed: set[str], tokens: list[TokenMap]) -> list[Step]:
    """The steps with a map larger than 1x1. After tokens, four dimensions on a branch are heads of attention."""
    first = min((graph.steps.index(found.step) for found in tokens), default=len(graph.steps))
    return [
        step
        for i, step in enumerate(graph.steps)
        if len(step.shape) == 4 and step.shape[1:3] != (1, 1) and (i < first or step.name in passed)
    ]


def _comes_after(graph: Graph, step: Step, other: Step) -> bool:
    return graph.steps.index(step) > graph.steps.index(other)


def _is_before_attention(graph: Graph, chosen: str | None, passed: set[str]) -> bool:
    """Whether tokens are mixed by attention afterwards: then a map from before, such as that of the patch embedding,
    shows next to nothing of what the model does. An attention that only pools a map is no such thing."""
    names = [step.name for step in graph.steps]
    later = graph.steps[names.index(chosen) + 1 :] if chosen else ()
    mixed = itertools.dropwhile(lambda step: not is_attention(step), later)
    return any(len(step.shape) == 3 and step.shape[1] != 1 and step.name in passed for step in mixed)
