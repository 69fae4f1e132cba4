"""A Keras model read as a flat list of steps, so that it can be replayed with single steps changed.

One step is one layer call. Replaying gives every feature map from the same forward pass, and lets the engine change how
one layer computes (its activation, quantizer or kernel) without touching the layer: `patched` puts back what it found.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import ConfigError
from harness.keras_packages import keras_of, layers_of
from harness.saliency.engine.batch_statistics import call_by_image, check_statistics, takes_batch_statistics
from harness.saliency.engine.layer_calls import call_in_mode, has_layer_calls, layer_calls, mode_inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One layer call: tensors are known by integers, `call` computes them in the graph being traced.

    training      whether the model fixes training=True for this call, so that it is no inference.
    input_shapes  of the tensors that it is given, as far as a model says them.
    original      the call that the model itself makes.
    """

    name: str
    layer: Any
    call: Callable[..., Any]
    args: Any  # nested structure with Slot in place of tensors
    kwargs: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shape: tuple[int | None, ...]  # of the first output
    training: bool = False
    input_shapes: tuple[tuple[int | None, ...], ...] = ()
    original: Callable[..., Any] | None = None

    @property
    def is_original(self) -> bool:
        """Whether nothing was replaced in the call: neither an activation, nor its gradient, nor a kernel."""
        return self.call is self.original


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for a tensor in the arguments of a step."""

    tensor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Steps in an order of execution, from one image tensor to one tensor of class scores."""

    steps: tuple[Step, ...]
    input: int
    output: int

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def giver(self, tensor: int) -> Step | None:
        """The step that gives a tensor; the image has none."""
        return next((step for step in self.steps if tensor in step.outputs), None)

    def consumers(self, tensor: int) -> list[Step]:
        return [step for step in self.steps if tensor in step.inputs]


def read_graph(model: Any) -> Graph:
    """The steps of a functional or sequential model; models used as layers are opened up.

    Raises ConfigError for a subclassed model, whose layers cannot be enumerated.
    """
    _check_single_image_to_scores(model)
    steps: list[Step] = []
    names = {id(model.inputs[0]): 0}
    _read(model, steps, names, itertools.count(1), prefix="", training=None)
    output = names[id(model.outputs[0])]
    return Graph(steps=_needed(tuple(steps), output), input=0, output=output)


def replay(
    graph: Graph, images: Any, *, keep: Collection[str] = (), tap: Callable[[str, Any], Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Run the steps on a batch; gives the final tensor and the outputs of the steps named in `keep`.

    tap  is called with (step name, output) for every step and may replace the output.
    """
    import tensorflow as tf

    tensors: dict[int, Any] = {graph.input: images}
    kept: dict[str, Any] = {}
    for step in graph.steps:
        args, kwargs = _filled((step.args, step.kwargs), tensors)
        result = step.call(*args, **kwargs)
        if tap is not None:
            result = tap(step.name, result)
        tensors.update(zip(step.outputs, tf.nest.flatten(result), strict=True))
        if step.name in keep:
            kept[step.name] = tensors[step.outputs[0]]
    return tensors[graph.output], kept


def with_calls(graph: Graph, calls: Mapping[str, Callable[..., Any]]) -> Graph:
    """The graph with another call for the steps of these names."""
    return replace(graph, steps=tuple(replace(step, call=calls.get(step.name, step.call)) for step in graph.steps))


@contextlib.contextmanager
def patched(layer: Any, **attributes: Any) -> Iterator[None]:
    """Set attributes of a layer for the length of a `with`, past Keras' tracking of variables."""
    attributes = {_attribute_behind(layer, name): value for name, value in attributes.items()}
    before = {name: layer.__dict__[name] for name in attributes if name in layer.__dict__}
    layer.__dict__.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            layer.__dict__.pop(name)
        layer.__dict__.update(before)


def _attribute_behind(layer: Any, name: str) -> str:
    """Keras 3 shows some weights by a property, such as `kernel`, and keeps them under `_kernel`."""
    return f"_{name}" if isinstance(getattr(type(layer), name, None), property) else name


def call_around(step: Step, **attributes: Any) -> Callable[..., Any]:
    """The step's call with some attributes of its layer replaced while it is traced."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with patched(step.layer, **attributes):
            return step.call(*args, **kwargs)

    return call


def identity(values: Any, *args: Any, **kwargs: Any) -> Any:
    """The call of a step that has become superfluous."""
    return values


def apart(values: Any) -> Any:
    """The values as TensorFlow computes them for whoever reads them. It fuses a convolution with the norm after it once
    no gradient reads what is between them, and that is another way to fold. A placeholder's default value costs
    nothing and stays."""
    import tensorflow as tf

    return tf.raw_ops.PlaceholderWithDefault(input=values, shape=values.shape)


def with_backward(call: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """The call with another backward pass: backward(upstream, values, *args, **kwargs) is the gradient by `values`."""
    import tensorflow as tf

    def joined(values: Any, *args: Any, **kwargs: Any) -> Any:
        def gradient(upstream: Any, variables: Any = ()) -> Any:
            return backward(upstream, values, *args, **kwargs), [None for _ in variables]

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(values: Any) -> Any:
            return call(values, *args, **kwargs), gradient

        return run(values)

    return joined


def with_gradient_of(other: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """The values of `call` with the gradient of `other`, whose own values are never computed if its gradient is free
    of them."""

    def backward(upstream: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        return back_through(other, upstream, values, *args, **kwargs)

    return with_backward(call, backward)


def back_through(call: Callable[..., Any], upstream: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
    """The gradient by `values` of a call whose output has the gradient `upstream`."""
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        result = call(values, *args, **kwargs)
    return tape.gradient(result, values, output_gradients=upstream)


def _read(
    model: Any, steps: list[Step], names: dict[int, int], count: Iterator[int], *, prefix: str, training: bool | None
) -> None:
    """Append the model's steps; `names` gives the number of each Keras tensor of this model."""
    for call in layer_calls(model):
        layer, outputs = call.layer, call.outputs
        inputs = tuple(names[id(tensor)] for tensor in call.inputs)
        mode = mode_inside(call, training)
        if has_layer_calls(layer):  # a model used as a layer: its tensors are named again at every call
            inner = {id(tensor): number for tensor, number in zip(layer.inputs, inputs, strict=True)}
            _read(layer, steps, inner, count, prefix=f"{prefix}{layer.name}/", training=mode)
            names.update((id(out), inner[id(inside)]) for out, inside in zip(outputs, layer.outputs, strict=True))
            continue
        names.update((id(tensor), next(count)) for tensor in outputs)
        own = _call(layer, bool(mode))
        step = Step(
            name=_free_name(prefix + layer.name, steps),
            layer=layer,
            call=own,
            original=own,
            args=_slotted(call.args, names),
            kwargs=_slotted(call.kwargs, names),
            inputs=inputs,
            outputs=tuple(names[id(tensor)] for tensor in outputs),
            shape=tuple(outputs[0].shape),
            training=bool(mode),
            input_shapes=tuple(tuple(tensor.shape) for tensor in call.inputs),
        )
        if takes_batch_statistics(step.layer, training=step.training):
            check_statistics(step.layer, step.name, step.shape)
        steps.append(step)


def _call(layer: Any, training: bool) -> Callable[..., Any]:
    """The layer's own call; statistics that it takes of a batch are those of each image alone."""
    call = call_in_mode(layer, training)
    norms = [part for part in (layer, *layers_of(layer)) if part is not layer or training]
    by_image = [(norm, call_by_image(norm)) for norm in norms if takes_batch_statistics(norm, training=True)]
    if not by_image:
        return call

    def run(*args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for norm, its_call in by_image:
                stack.enter_context(patched(norm, call=its_call))
            return call(*args, **kwargs)

    return run


def _free_name(name: str, steps: list[Step]) -> str:
    """A layer that is called again gets `:1`, `:2`, ..."""
    again = sum(step.name == name or step.name.startswith(f"{name}:") for step in steps)
    return f"{name}:{again}" if again else name


def _slotted(arguments: Any, names: dict[int, int]) -> Any:
    import tensorflow as tf

    return tf.nest.map_structure(
        lambda value: Slot(names[id(value)]) if hasattr(value, "_keras_history") else value, arguments
    )


def _filled(arguments: Any, tensors: dict[int, Any]) -> Any:
    import tensorflow as tf

    return tf.nest.map_structure(lambda value: tensors[value.tensor] if isinstance(value, Slot) else value, arguments)


def _needed(steps: tuple[Step, ...], output: int) -> tuple[Step, ...]:
    """Without the steps that do not lead to the output."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        if wanted.intersection(step.outputs):
            wanted.update(step.inputs)
            kept.append(step)
    return tuple(reversed(kept))


def _check_single_image_to_scores(model: Any) -> None:
    keras_of(model)  # or it says why there are no layers
    if not has_layer_calls(model) or not model.inputs:
        raise ConfigError(
            f'model "{model.name}": expected a functional or built sequential Keras model, got a '
            f"{type(model).__name__} whose layers cannot be enumerated",
            hint="build it with keras.Input and keras.Model(inputs, outputs)",
        )
    shapes = [tuple(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 2:
        raise ConfigError(
            f'model "{model.name}": expected one image input (N, H, W, C) and one output (N, classes), '
            f"got inputs and outputs of shapes {shapes}"
        )
