"""Is what the engine computes what the model itself returns? Looked at once, with the first images that are explained.

Three things can come between them: numbers drawn at random, images of a batch that change each other's scores, and a
graph that was read wrongly. The first two are asked of the graph step by step, so that a sentence can name the layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from converters.refusals import random_operation
from harness.errors import ConfigError, MeasurementError
from harness.keras_packages import is_keras_3, layers_of
from harness.saliency.attribution import Array
from harness.saliency.engine.graph import Graph, read_graph, replay
from harness.saliency.engine.layer_calls import trains_by_default

# Both sides are the same operations on the same shapes, so that they are equal to the bit, but for a head that is taken
# off and put on again, and norms by image. Those err in the last bits: 1e-6 of the greatest score, seldom 1e-5.
TOLERANCE = 1e-3  # of the greatest score: a hundred times that, and less than what is shown of a score
CHANGED = 1e-4  # of a step's greatest output: more than rounding can do to the first step that differs

MIXED = "mixes the images of a batch, so an image alone does not determine its scores"
_LAYERS_ALONE = "a model whose layers alone make its scores, each in the mode that the graph gives it"
_HANDED_ON = "training=False in the calls after the one with training=True: Keras 3 hands its mode on to them"
_CHANCE = (
    'model "{model}": layer "{layer}" draws random numbers at inference, so an image alone does not determine its '
    "scores"
)
_CHANCE_HINT = "build the model without training=True in the call of this layer, and load the same weights"
MIXED_HINT = "layers that look at one image at a time"


class OwnCall:
    """The model's own call, to compare with; the model is let go of once that went well. Sentences call it `name`."""

    def __init__(self, model: Any, name: str) -> None:
        self._model: Any = model
        self._name = name

    def check(self, graph: Graph, images: Array, *, scores: Callable[[Array], Array]) -> None:
        """Look at two images: those given first, or what stands for a second one.

        graph   up to the logits, without changes of its forward pass.
        scores  what the engine makes of logits.
        Raises ConfigError for a model that gives an image no scores of its own, MeasurementError for a difference.
        """
        if self._model is not None:
            self._check(self._model, graph, images, scores)
            self._model = None

    def _check(self, model: Any, graph: Graph, images: Array, scores: Callable[[Array], Array]) -> None:
        pair = np.stack([images[0], images[1] if len(images) > 1 else _another(images[0])])
        fixed = any(step.training for step in read_graph(model).steps)
        if fixed and (drawing := _drawing(graph, pair)):
            raise ConfigError(_CHANCE.format(model=self._name, layer=drawing), hint=_CHANCE_HINT)
        ours = scores(_of_each_alone(graph, pair, self._name))
        difference, greatest = 0.0, 0.0
        for alone in (True,) if fixed else (False, True):  # modes inside of layers of the user's own are not seen
            theirs = _own_scores(model, pair, alone=alone, fixed=fixed)
            difference, greatest = _difference(ours, theirs) if theirs is not None else (0.0, 0.0)
            if difference <= TOLERANCE * greatest:
                return
        raise MeasurementError(
            f'model "{self._name}": the scores that its layers give, one after the other, differ by up to '
            f"{difference:.3g} from those of the model's own call, which reach {greatest:.3g}",
            hint=_HANDED_ON if fixed and is_keras_3(model) else _LAYERS_ALONE,
        )


def _own_scores(model: Any, images: Array, *, alone: bool, fixed: bool) -> Array | None:
    """What the model returns for images, in one batch or each alone. Its statistics stay what they were.

    fixed  whether it fixes training=True somewhere, which `model(x, training=False)` would override in Keras 3. With
           layers such as RandomFlip beside it, which `model(x)` leaves at work, Keras 3 has no such call: None.
    """
    import tensorflow as tf

    mode = {} if fixed and is_keras_3(model) else {"training": False}
    if not mode and any(map(trains_by_default, layers_of(model))):
        return None
    before = [(variable, variable.numpy()) for variable in model.non_trainable_weights]
    try:
        batches = [image[None] for image in images] if alone else [images]
        return np.concatenate([np.asarray(model(tf.constant(batch), **mode), np.float32) for batch in batches])
    finally:
        for variable, value in before:
            if not np.array_equal(variable.numpy(), value):
                variable.assign(value)


def check_images_are_alone(scores: Callable[[Array], Array], image: Array, model: str) -> None:
    """Raises ConfigError where another image in its batch changes the scores of this one. Two that are as many are
    computed alike, to the bit."""
    first, again, other = (scores(np.stack([image, second]))[0] for second in (image, image, _another(image)))
    if np.array_equal(first, again) and np.abs(first - other).max() > CHANGED * np.abs(first).max():
        raise ConfigError(f'model "{model}": it {MIXED}', hint=MIXED_HINT)


def _another(image: Array) -> Array:
    """An image of noise in the range of this one."""
    low, high = float(image.min()), float(image.max())
    noise = np.random.default_rng(0).uniform(low, high if high > low else low + 1, image.shape)
    return noise.astype(np.float32)


def _of_each_alone(graph: Graph, pair: Array, model: str) -> Array:
    """The logits of both images. Raises ConfigError where the second one, or chance, changes those of the first."""
    logits, before = _outputs(graph, pair[0], pair[1])
    others, after = _outputs(graph, pair[0], _another(pair[1]))
    if np.array_equal(logits[0], others[0], equal_nan=True):
        return logits
    changed = _first_changed(before, after)
    if changed and _first_changed(before, _outputs(graph, pair[0], pair[1])[1]):
        raise ConfigError(_CHANCE.format(model=model, layer=changed), hint=_CHANCE_HINT)
    if changed:
        raise ConfigError(
            f'model "{model}": layer "{changed}" {MIXED}',
            hint=MIXED_HINT,
        )
    return logits


def _drawing(graph: Graph, pair: Array) -> str:
    """The step that draws random numbers, "" if none does, by its operations: a dropout of few values may leave them
    all as they are, twice."""
    import tensorflow as tf

    ends: list[tuple[int, str]] = []

    def look(name: str, output: Any) -> Any:
        ends.append((len(tf.nest.flatten(output)[0].graph.get_operations()), name))
        return output

    function = tf.function(lambda images: replay(graph, images, tap=look)[0], autograph=False)
    traced = function.get_concrete_function(tf.TensorSpec(pair.shape, tf.float32)).graph
    drawing = random_operation(traced)
    names = [operation.name for operation in traced.get_operations()] if drawing else []
    if drawing is None or drawing.name not in names:  # within a function that is called: it is left to its numbers
        return ""
    return next((name for end, name in ends if names.index(drawing.name) < end), "")


def _outputs(graph: Graph, first: Array, second: Array) -> tuple[Array, list[tuple[str, Array]]]:
    """The logits of two images in one batch, and what each step gives for the first of them.

    Each row of a batch is computed alike, to the bit, whatever the others are, as long as they are as many.
    """
    import tensorflow as tf

    seen: list[tuple[str, Array]] = []

    def look(name: str, output: Any) -> Any:
        for tensor in tf.nest.flatten(output):
            if tensor.dtype.is_floating and len(tensor.shape):
                seen.append((name, tf.cast(tensor[0], tf.float32).numpy()))
        return output

    logits, _ = replay(graph, tf.constant(np.stack([first, second])), tap=look)
    return np.asarray(logits, np.float32), seen


def _first_changed(before: list[tuple[str, Array]], after: list[tuple[str, Array]]) -> str:
    """The first step that gives something else, by more than rounding; "" if there is none."""
    for (name, old), (_, new) in zip(before, after, strict=True):
        if not np.array_equal(old, new, equal_nan=True):
            return name if np.abs(old - new).max() > CHANGED * np.abs(old).max() else ""
    return ""


def _difference(ours: Array, theirs: Array) -> tuple[float, float]:
    """(the greatest difference, the greatest of theirs). An image without finite scores of the model's own says
    nothing: the second one may be of noise."""
    finite = np.isfinite(theirs).all(axis=1)
    return float(np.abs(ours - theirs)[finite].max(initial=0)), float(np.abs(theirs)[finite].max(initial=0))
