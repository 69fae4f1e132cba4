"""The calls that a functional or sequential model is made of, which Keras 2 and Keras 3 keep each in its own way.

A call may fix its mode, as `norm(x, training=True)` does. Keras 2 obeys it always. Keras 3 obeys it in `model(x)` and
not in `model.predict(x)`; here it is obeyed. What no call fixes is inference.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.keras_packages import is_keras_3, keras_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCall:
    """One call of a layer, or of a plain function that Keras recorded as one, with its symbolic tensors.

    training  the mode that the call fixes, which args and kwargs are without; None if it leaves it to its surroundings.
    """

    layer: Any
    args: Any
    kwargs: Any
    training: bool | None
    inputs: list[Any]
    outputs: list[Any]


def has_layer_calls(model: Any) -> bool:
    """Whether a layer is a model whose calls are known, which a subclassed model's are not."""
    return hasattr(_functional(model), "_nodes_by_depth")


def layer_calls(model: Any) -> Iterator[LayerCall]:
    """Every call between the model's inputs and outputs, in an order of execution."""
    import tensorflow as tf

    nodes_by_depth = _functional(model)._nodes_by_depth
    for node in (node for depth in sorted(nodes_by_depth, reverse=True) for node in nodes_by_depth[depth]):
        if node.is_input:
            continue
        outputs = tf.nest.flatten(node.outputs)
        if hasattr(node, "operation"):  # Keras 3
            layer, inputs = node.operation, list(node.input_tensors)
            args, kwargs = node.arguments.args, node.arguments.kwargs
        else:
            layer, inputs = node.layer, list(node.keras_inputs)
            args, kwargs = node.call_args, node.call_kwargs
        args, kwargs = _first_by_position(layer, args, kwargs)
        training, args, kwargs = _mode_taken_out(layer, args, kwargs)
        yield LayerCall(layer=layer, args=args, kwargs=kwargs, training=training, inputs=inputs, outputs=outputs)


def mode_inside(call: LayerCall, surroundings: bool | None) -> bool | None:
    """The mode of a call within a model that is called in the mode of `surroundings`; None is undecided.

    In Keras 2 a call's own mode is the stronger one, in Keras 3 that of the model around it.
    """
    stronger, weaker = (surroundings, call.training) if is_keras_3(call.layer) else (call.training, surroundings)
    return weaker if stronger is None else stronger


def layers_called_in_training(model: Any) -> list[Any]:
    """The layers, and models used as layers, that some call within a model fixes training=True for."""
    found = []
    for call in layer_calls(model):
        found += [call.layer] if call.training else []
        found += layers_called_in_training(call.layer) if has_layer_calls(call.layer) else []
    return found


def call_in_mode(layer: Any, training: bool) -> Callable[..., Any]:
    """The layer's call with training=..., where it has such a mode. In Keras 3 every layer hands it on to those
    inside, of which some, such as RandomFlip, are otherwise at work."""
    if not _has_mode(layer):
        return layer  # type: ignore[no-any-return]
    return lambda *args, **kwargs: layer(*args, **{"training": training, **kwargs})


def trains_by_default(layer: Any) -> bool:
    """Whether a layer is at work as in training unless it is told otherwise, as RandomFlip of Keras 3 is."""
    mode = inspect.signature(layer.call).parameters.get("training") if hasattr(layer, "call") else None
    return mode is not None and mode.default is True


def _has_mode(layer: Any) -> bool:
    if is_keras_3(layer):
        return isinstance(layer, keras_of(layer).layers.Layer)
    return bool(layer._call_spec.expects_training_arg)


def _mode_taken_out(layer: Any, args: Any, kwargs: Any) -> tuple[bool | None, Any, Any]:
    """(the mode that a call fixes, args, kwargs). A mode that is a tensor stays where it is, and rules itself.

    Keras 3 notes a default of True as if the caller had given it. It is taken for the default.
    """
    if not _has_mode(layer):
        return None, args, kwargs
    names = list(inspect.signature(layer.call).parameters)
    place = names.index("training") if "training" in names else len(args)
    if place < len(args):  # Keras 2 alone takes it by its position
        kwargs = {**kwargs, **dict(zip(names[place:], args[place:]))}
        args = args[:place]
    given = kwargs.get("training")
    if hasattr(given, "_keras_history"):
        return None, args, kwargs
    kwargs = {name: value for name, value in kwargs.items() if name != "training"}
    if given is None or (is_keras_3(layer) and trains_by_default(layer)):
        return None, args, kwargs
    return bool(given), args, kwargs


def _first_by_position(layer: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments with the first by its position, where it was given by name, as in layer(inputs=x)."""
    first = next(iter(inspect.signature(layer.call).parameters), None)
    if args or first not in kwargs:
        return args, kwargs
    return (kwargs[first],), {name: value for name, value in kwargs.items() if name != first}


def _functional(model: Any) -> Any:
    """Keras 3 keeps a sequential model's graph in a functional one inside."""
    return getattr(model, "_functional", None) or model
