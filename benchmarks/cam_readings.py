"""Which layer is "the last one" that a class activation map is taken from: every reading, found in a model's own graph.

The readings are the last convolution by itself, what its norm, its activation and the sum with other paths make of it,
what bitlens takes, and what tf-keras-vis takes where nobody names a layer. Several readings may mean one layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from harness.keras_packages import keras_of
from harness.saliency.engine.activation_maps import ACTIVATION, NORM, POOL, is_convolution, kind_of
from harness.saliency.engine.graph import Graph, Step, read_graph
from harness.saliency.engine.layers import candidates

CONVOLUTION, AFTER_NORM, AFTER_ACTIVATION, AFTER_SUM = "convolution", "after norm", "after activation", "after sum"
DEFAULT, TOOLKIT = "bitlens", "tf-keras-vis"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLayer:
    """A layer that some readings name.

    size    (height, width) of its map; (1, 1) has nothing to show.
    behind  classes of the layers between it and what pools its map, in their order; activations by their own names.
    """

    name: str
    readings: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    behind: tuple[str, ...]

    @property
    def is_one_pixel(self) -> bool:
        return self.size == (1, 1)


def read_layers(model: Any) -> list[ReadLayer]:
    """The layers that the readings name, in an order of execution, each once.

    model   a functional or sequential model of Keras 2, the package that `keras_packages.set_up` gives tf-keras-vis.
    """
    graph = read_graph(model)
    default = next(info.name for info in candidates(graph) if info.default)
    names = readings_of_block(graph) | {DEFAULT: default, TOOLKIT: toolkit_layer(model)}
    return [
        ReadLayer(
            name=step.name,
            readings=tuple(reading for reading, name in names.items() if name == step.name),
            size=(step.shape[1] or 0, step.shape[2] or 0),
            channels=step.shape[-1] or 0,
            behind=tuple(map(_in_words, way_to_the_pool(graph, step))),
        )
        for step in graph.steps
        if step.name in names.values()
    ]


def readings_of_block(graph: Graph) -> dict[str, str]:
    """The layer of each reading of the last convolution with a map larger than 1x1, as far as the model has one."""
    convolution = [step for step in graph.steps if is_convolution(step) and step.shape[1:3] != (1, 1)][-1]
    found = {CONVOLUTION: convolution.name}
    if kind_of(convolution) == ACTIVATION:  # Keras computes it in the same layer
        found[AFTER_ACTIVATION] = convolution.name
    for step in way_to_the_pool(graph, convolution):
        if joins_paths(step):
            return found | {AFTER_SUM: step.name}
        if len(step.inputs) == 1 and kind_of(step) in (NORM, ACTIVATION):  # a gate has two inputs, and is neither
            found.setdefault(AFTER_NORM if kind_of(step) == NORM else AFTER_ACTIVATION, step.name)
    return found


def way_to_the_pool(graph: Graph, step: Step) -> Iterator[Step]:
    """The steps that go on with a step's map, as long as it has its size and is not pooled."""
    while True:
        onward = [other for other in graph.consumers(step.outputs[0]) if other.shape[1:3] == step.shape[1:3]]
        if len(step.shape) != 4 or not onward or kind_of(onward[0]) == POOL:
            return
        step = onward[0]
        yield step


def joins_paths(step: Step) -> bool:
    """Whether a step makes one map of several of its size, as a residual sum or a concatenation does."""
    return sum(shape[1:3] == step.shape[1:3] for shape in step.input_shapes) > 1


def toolkit_layer(model: Any) -> str:
    """The layer that `Gradcam` of tf-keras-vis takes by default, asked of tf-keras-vis.

    It takes the last of `model.layers` that is a convolution. With TensorFlow 2.16 or newer, version 0.8.7 knows those
    of Keras 3 alone and raises ValueError for a model of Keras 2. It knew them in 2021, and does so for this call.
    """
    from tf_keras_vis.utils import model_modifiers

    convolutions = next(kind for kind in keras_of(model).layers.Conv2D.__mro__ if kind.__name__ in ("Conv", "BaseConv"))
    with patch.object(model_modifiers, "Conv", convolutions):
        extracted = model_modifiers.ExtractIntermediateLayerForGradcam()(model)
    name: str = extracted.outputs[-1]._keras_history.layer.name
    return name


def _in_words(step: Step) -> str:
    if joins_paths(step):
        return "sum"
    activation = getattr(step.layer, "activation", None)
    return getattr(activation, "__name__", "") or type(step.layer).__name__
