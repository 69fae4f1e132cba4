"""What a model does to pixels by itself before its first weights: found by value, whatever its layers are called.

Layers that have no weights are followed from the input on as long as there is one way. Black, white and a colour are
sent along: a layer that makes other values of them prepares pixels, whether it is a Rescaling, a Normalization, a plain
`x / 255` or a Lambda. One that leaves them as they are (padding, an augmentation at rest) does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.keras_packages import layers_of
from harness.saliency.engine.graph import Graph, Step, read_graph, replay

ANY_SIZE = 64  # pixels of a side where a model takes any: its preprocessing has no reason to look at it
TOLERANCE = 1e-3  # of values from 0 to 255
NAMED = ("Rescaling", "Normalization")  # classes that prepare pixels and may hold weights: means that were adapted

Pixels = NDArray[np.float32]
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPreprocessing:
    """What a model does by itself to the pixels of its input, each by the names of the layers that do it.

    scales        what changes values; black and white become `low` to `high`, None where nobody can look inside.
    reorders      what turns the order of channels around.
    resizes       what changes the size of the image.
    starts_with_batch_normalization  its first weights are those of a batch normalization, which may have learned the
                  range of raw pixels, or of any other.
    """

    scales: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    reorders: tuple[str, ...] = ()
    resizes: tuple[str, ...] = ()
    starts_with_batch_normalization: bool = False

    def __str__(self) -> str:
        """In words, "" where there is nothing to say."""
        said = []
        if self.scales:
            into = "" if self.low is None else f", 0 to 255 becomes {self.low:.4g} to {self.high:.4g}"
            said.append(f"scales pixels itself ({_listed(self.scales)}{into})")
        if self.reorders:
            said.append(f"turns the order of channels around ({_listed(self.reorders)})")
        if self.resizes:
            said.append(f"resizes or cuts its input ({_listed(self.resizes)})")
        if self.starts_with_batch_normalization and not self.scales:
            said.append("starts with a batch normalization, which may expect raw pixels")
        return ", ".join(said)


def own_preprocessing(model: Any) -> OwnPreprocessing:
    """Of a functional or sequential model of either Keras; of a subclassed one, whatever layers of that sort it has."""
    try:
        graph = read_graph(model)
    except ConfigError:
        return OwnPreprocessing(scales=_named_in(model))
    first, steps = _before_weights(graph)
    if first is not None and not steps and _named_in(first.layer):
        return OwnPreprocessing(scales=_named_in(first.layer))
    shape = tuple(model.inputs[0].shape)
    values = _through(graph, steps, shape)
    found = _compared(steps, values, shape)
    starts = first is not None and type(first.layer).__name__.startswith("BatchNormalization")
    last = values[-1][:2]
    return OwnPreprocessing(
        scales=found["scales"],
        low=float(last.min()) if found["scales"] else None,
        high=float(last.max()) if found["scales"] else None,
        reorders=found["reorders"],
        resizes=found["resizes"],
        starts_with_batch_normalization=starts,
    )


def _before_weights(graph: Graph) -> tuple[Step | None, list[Step]]:
    """The first step that is no preparation, and those before it."""
    tensor = graph.input
    steps: list[Step] = []
    while True:
        consumers = graph.consumers(tensor)
        if len(consumers) != 1:
            return None, steps
        [step] = consumers
        has_weights = len(getattr(step.layer, "weights", ())) > 0 and type(step.layer).__name__ not in NAMED
        if has_weights or len(step.inputs) != 1 or len(step.outputs) != 1 or len(step.shape) != 4:
            return step, steps
        steps.append(step)
        tensor = step.outputs[0]


def _through(graph: Graph, steps: list[Step], shape: Shape) -> list[Pixels]:
    """(3, C) what black, white and a colour are at the centre of the image: at the input, and after each step."""
    _, height, width, channels = shape
    colours = np.zeros((3, channels or 3), np.float32)
    colours[1], colours[2] = 255, np.linspace(40, 200, channels or 3)
    images = np.broadcast_to(
        colours[:, None, None, :], (3, height or ANY_SIZE, width or ANY_SIZE, colours.shape[1])
    ).astype(np.float32)
    if not steps:
        return [colours]
    part = replace(graph, steps=tuple(steps), output=steps[-1].outputs[0])
    _, kept = replay(part, images, keep=[step.name for step in steps])
    values = [np.asarray(kept[step.name], np.float32) for step in steps]
    return [colours, *(value[:, value.shape[1] // 2, value.shape[2] // 2] for value in values)]


def _compared(steps: list[Step], values: list[Pixels], shape: Shape) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {"scales": [], "reorders": [], "resizes": []}
    for step, before, after in zip(steps, values[:-1], values[1:]):
        if step.shape[1:3] != shape[1:3] and "Padding" not in type(step.layer).__name__:
            found["resizes"].append(step.name)
        if before.shape == after.shape and not np.allclose(before, after, atol=TOLERANCE):
            turned = np.allclose(before[:, ::-1], after, atol=TOLERANCE)
            found["reorders" if turned else "scales"].append(step.name)
        shape = step.shape
    return {kind: tuple(names) for kind, names in found.items()}


def _named_in(layer: Any) -> tuple[str, ...]:
    """Layers inside of one that nobody can look into, which are made to prepare pixels."""
    return tuple(inside.name for inside in layers_of(layer) if type(inside).__name__ in NAMED)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
