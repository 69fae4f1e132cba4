"""Maps that a convolution and others read, as at the start of a residual block. Going back, the convolution adds what
arrives from the others to its own, and shuts the ReLU before the map: one pass over it where TensorFlow makes three.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.keras_packages import keras_of
from harness.saliency.engine.graph import Graph, Slot, Step, back_through
from harness.saliency.engine.rewrites.gates import Gate, is_plain_relu


@dataclass(slots=True, kw_only=True, eq=False)
class Fork:
    """Where a map goes to a convolution and, through that step, to the others that read it.

    tensor   the map.
    relu     the step that gives it, if that is a ReLU which leaves its gradient to the convolution.
    arrived  from the others, while the convolution goes back.
    """

    tensor: int
    relu: str | None
    gate: Gate = field(default_factory=Gate)
    arrived: Any = None

    @property
    def maps(self) -> dict[str, Any]:
        """What the convolution's backward pass is called with."""
        return {"more": self.arrived, "opened": self.gate.opened}

    def call_of(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The convolution's call, which gives the map to others as well."""
        import tensorflow as tf

        def forked(values: Any, *args: Any, **kwargs: Any) -> Any:
            def gradient(upstream: Any, arrived: Any, variables: Any = ()) -> Any:
                self.arrived = arrived
                return back_through(call, upstream, values, *args, **kwargs), [None for _ in variables]

            @tf.custom_gradient  # type: ignore[untyped-decorator]
            def run(values: Any) -> Any:
                return (call(values, *args, **kwargs), tf.identity(values)), gradient

            return run(values)

        return forked


def find_forks(graph: Graph, back: Iterable[Step], *, keep: Collection[str], gated: Collection[str]) -> dict[str, Fork]:
    """By the name of the convolution: one of those that go back by the library, before all others that read its map.

    keep   steps whose outputs are asked for, and gradients there with them.
    gated  ReLUs that leave their gradient to another convolution.
    """
    forks = {}
    for step in back:
        if type(step.layer) is not keras_of(step.layer).layers.Conv2D:  # a quantizer may come before what convolves
            continue
        tensor = step.inputs[0]
        giver = graph.giver(tensor)
        readers = graph.consumers(tensor)
        if len(readers) > 1 and readers[0] is step and giver is not None and giver.name not in keep:
            relu = giver.name if is_plain_relu(giver) and giver.name not in gated else None
            forks[step.name] = Fork(tensor=tensor, relu=relu)
    return forks


def with_forks(graph: Graph, forks: Mapping[str, Fork]) -> Graph:
    """The graph in which others read what the convolutions pass on."""
    passed_on = {fork.tensor: -number for number, fork in enumerate(forks.values(), 1)}
    gates = {fork.relu: fork.gate for fork in forks.values() if fork.relu}
    steps = []
    for step in graph.steps:
        fork = forks.get(step.name)
        if fork:
            step = replace(step, call=fork.call_of(step.call), outputs=(*step.outputs, passed_on[fork.tensor]))
        else:
            step = _reading(step, passed_on)
        steps.append(replace(step, call=gates[step.name].call_of(step)) if step.name in gates else step)
    return replace(graph, steps=tuple(steps))


def _reading(step: Step, passed_on: Mapping[int, int]) -> Step:
    import tensorflow as tf

    def slot(value: Any) -> Any:
        return Slot(passed_on.get(value.tensor, value.tensor)) if isinstance(value, Slot) else value

    args, kwargs = tf.nest.map_structure(slot, (step.args, step.kwargs))
    return replace(step, args=args, kwargs=kwargs, inputs=tuple(passed_on.get(each, each) for each in step.inputs))
