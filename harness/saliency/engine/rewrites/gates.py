"""ReLUs that leave their gradient to the convolution before them: going back, it reads only what arrives where the ReLU
was open, which spares a pass over the map. The same numbers are added up, so maps stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from harness.keras_packages import functions_named, keras_of, operation_name
from harness.saliency.engine.graph import Graph, Step, call_around, with_backward


class Gate:
    """Where a ReLU was open, once it has been called; what arrives passes it as it is."""

    def __init__(self) -> None:
        self.opened: Any = None  # values (N, H, W, C), positive where it was

    def call_of(self, step: Step) -> Callable[..., Any]:
        """The call of the step that the ReLU is, or ends with."""
        if hasattr(step.layer, "kernel"):
            return call_around(step, activation=self._around(step.layer.activation))
        return self._around(step.call)

    def _around(self, relu: Callable[..., Any]) -> Callable[..., Any]:
        def call(values: Any, *args: Any, **kwargs: Any) -> Any:
            self.opened = relu(values, *args, **kwargs)
            return self.opened

        return with_backward(call, lambda upstream, values, *args, **kwargs: upstream)


def relu_after(graph: Graph, step: Step, norms: Mapping[str, str], keep: Collection[str]) -> str | None:
    """The step with the ReLU that alone reads what a convolution gives; the convolution itself may end with it.

    norms  that go back as part of the convolution before them, by its name.
    keep   steps whose outputs are asked for, and gradients there with them.
    """
    if step.layer.activation is not keras_of(step.layer).activations.linear:
        return step.name if step.is_original and _ends_with_relu(step.layer) else None
    names = [step.name, *([norms[step.name]] if step.name in norms else [])]
    consumers = graph.consumers(graph.step(names[-1]).outputs[0])
    if len(consumers) != 1 or not is_plain_relu(consumers[0]) or any(name in keep for name in names):
        return None
    return consumers[0].name


def is_plain_relu(step: Step) -> bool:
    """Whether a step is nothing but a ReLU without a ceiling whose gradient is its own."""
    layer, layers = step.layer, keras_of(step.layer).layers
    if not step.is_original:
        return False
    if isinstance(layer, layers.ReLU):
        return not layer.negative_slope and not layer.threshold and layer.max_value is None
    return (type(layer) is layers.Activation and _ends_with_relu(layer)) or operation_name(layer) == "relu"


def _ends_with_relu(layer: Any) -> bool:
    return getattr(layer, "activation", None) in functions_named(layer, "relu")
