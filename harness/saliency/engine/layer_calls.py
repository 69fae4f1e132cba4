"""The calls that a functional or sequential model is made of, which Keras 2 and Keras 3 keep each in its own way."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.keras_packages import is_keras_3, keras_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCall:
    """One call of a layer, or of a plain function that Keras recorded as one, with its symbolic tensors."""

    layer: Any
    args: Any
    kwargs: Any
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
        yield LayerCall(layer=layer, args=args, kwargs=kwargs, inputs=inputs, outputs=outputs)


def inference_call(layer: Any) -> Callable[..., Any]:
    """The layer's call with training=False, where it has such a mode. In Keras 3 every layer hands it on to those
    inside, of which some, such as RandomFlip, are otherwise at work."""
    if is_keras_3(layer):
        has_mode = isinstance(layer, keras_of(layer).layers.Layer)
    else:
        has_mode = layer._call_spec.expects_training_arg
    if not has_mode:
        return layer  # type: ignore[no-any-return]
    return lambda *args, **kwargs: layer(*args, **{**kwargs, "training": False})


def _first_by_position(layer: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments with the first by its position, where it was given by name, as in layer(inputs=x)."""
    first = next(iter(inspect.signature(layer.call).parameters), None)
    if args or first not in kwargs:
        return args, kwargs
    return (kwargs[first],), {name: value for name, value in kwargs.items() if name != first}


def _functional(model: Any) -> Any:
    """Keras 3 keeps a sequential model's graph in a functional one inside."""
    return getattr(model, "_functional", None) or model
