"""What a model does to pixels by itself before its first weights: found by value, whatever its layers are called.

Layers without weights are followed from the input on. Black, white and a colour are sent along: a
layer that makes other values of them prepares pixels, whether it is a Rescaling, a Normalization, a plain
`x / 255` or a Lambda. One that leaves them as they are (padding, an augmentation at rest) does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.keras_packages import layers_of, operation_name
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
    reorders      what reverses the order of channels.
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

    @property
    def width(self) -> float:
        """From what black becomes to what white becomes; 0 where it is not known."""
        return 0.0 if self.low is None or self.high is None else self.high - self.low

    def __str__(self) -> str:
        """In words, "" where there is nothing to say."""
        said = []
        if self.scales:
            into = "" if self.low is None else f", 0 to 255 becomes {self.low:.4g} to {self.high:.4g}"
            said.append(f"scales pixels itself ({_listed(self.scales)}{into})")
        if self.reorders:
            said.append(f"reverses the order of channels ({_listed(self.reorders)})")
        if self.resizes:
            said.append(f"resizes or crops its input ({_listed(self.resizes)})")
        if self.starts_with_batch_normalization and not self.scales:
            said.append("starts with a batch normalization, which may expect raw pixels")
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor that is made of the image without weights, of which other tensor, by what. Tensors go by any names."""

    name: str
    source: Any
    tensor: Any


def own_preprocessing(model: Any) -> OwnPreprocessing:
    """Of a functional or sequential model of either Keras; of a subclassed one, whatever layers of that sort it has."""
    try:
        graph = read_graph(model)
    except ConfigError:
        return OwnPreprocessing(scales=_named_in(model))
    steps = _before_weights(graph)
    first = _first_after(graph, steps)
    if first is not None and not steps and _named_in(first.layer):
        return OwnPreprocessing(scales=_named_in(first.layer))
    shape = tuple(model.inputs[0].shape)
    made = [Made(step.name, step.inputs[0], step.outputs[0]) for step in steps]
    return replace(
        compared(made, _values(graph, steps, shape), source=graph.input),
        resizes=tuple(step.name for step in steps if _resizes(step)),
        starts_with_batch_normalization=first is not None and type(first.layer).__name__.startswith("BatchNorm"),
    )


def probes(shape: Shape) -> Pixels:
    """(3, H, W, C) of one colour each for an input (None, H, W, C): black, white, and one that differs by channel."""
    height, width, channels = shape[1] or ANY_SIZE, shape[2] or ANY_SIZE, shape[3] or 3
    colours = np.array([np.zeros(channels), np.full(channels, 255), np.linspace(40, 200, channels)], np.float32)
    return np.ascontiguousarray(np.broadcast_to(colours[:, None, None, :], (3, height, width, channels)))


def centre(images: Pixels) -> Pixels:
    """(N, C) of images (N, H, W, C)."""
    return images[:, images.shape[1] // 2, images.shape[2] // 2]


def seen(made: Pixels) -> Pixels:
    """(N, C) of images, at their centre; (N, values) of what else is made of images, such as a Flatten's vectors."""
    return centre(made) if made.ndim == 4 else made.reshape(len(made), -1)


def compared(made: Sequence[Made], values: Mapping[Any, Pixels], *, source: Any) -> OwnPreprocessing:
    """What changes the values of the probes (3, C), by tensor where a tensor is an image; `source` is the input."""
    changes = list(_changes(made, values, source))
    scales = tuple(name for name, turned in changes if not turned)
    last = next((values[each.tensor] for each in reversed(made) if each.tensor in values), values[source])
    return OwnPreprocessing(
        scales=scales,
        low=float(last[:2].min()) if scales else None,
        high=float(last[:2].max()) if scales else None,
        reorders=tuple(name for name, turned in changes if turned),
    )


def _changes(made: Sequence[Made], values: Mapping[Any, Pixels], source: Any) -> Iterator[tuple[str, bool]]:
    """What makes other values of the image that it is given, and whether it only turns channels around."""
    image = {source: source}  # a channel by itself stands for the image that it was taken of
    for each in made:
        before_it = image[each.source]
        image[each.tensor] = each.tensor if each.tensor in values else before_it
        before, after = values[before_it], values.get(each.tensor)
        if after is not None and after.shape == before.shape and not np.allclose(before, after, atol=TOLERANCE):
            yield each.name, np.allclose(before[:, ::-1], after, atol=TOLERANCE)


def _before_weights(graph: Graph) -> list[Step]:
    """The steps that make images, channels or vectors of them, of the input without any weights."""
    known, steps = {graph.input}, []
    for step in graph.steps:
        has_weights = len(getattr(step.layer, "weights", ())) > 0 and type(step.layer).__name__ not in NAMED
        if (
            not has_weights
            and step.inputs
            and known.issuperset(step.inputs)
            and len(step.outputs) == 1
            and len(step.shape) >= 2
        ):
            known.add(step.outputs[0])
            steps.append(step)
    return steps


def _first_after(graph: Graph, steps: list[Step]) -> Step | None:
    """The first step that takes the image and is no preparation."""
    known = {graph.input, *(step.outputs[0] for step in steps)}
    names = {step.name for step in steps}
    return next((step for step in graph.steps if step.name not in names and known.intersection(step.inputs)), None)


def _values(graph: Graph, steps: list[Step], shape: Shape) -> dict[int, Pixels]:
    """What the probes are, by tensor: (3, C) at the centre of the input and each image made of it, else all of them."""
    images = probes(shape)
    values = {graph.input: centre(images)}
    if steps:
        part = replace(graph, steps=tuple(steps), output=steps[-1].outputs[0])
        _, kept = replay(part, images, keep=[step.name for step in steps])
        made = {step.outputs[0]: np.asarray(kept[step.name], np.float32) for step in steps}
        values.update((tensor, seen(pixels)) for tensor, pixels in made.items() if pixels.ndim in (2, 4))
    return values


def _resizes(step: Step) -> bool:
    name = type(step.layer).__name__.lower() + operation_name(step.layer)
    return "resiz" in name or "crop" in name


def _named_in(layer: Any) -> tuple[str, ...]:
    """Layers inside of one that nobody can look into, which are made to prepare pixels."""
    return tuple(inside.name for inside in layers_of(layer) if type(inside).__name__ in NAMED)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
