"""What TensorFlow registers for the whole process while it traces, given back to the function that was traced.

Both of these would keep every traced pass in memory for ever, with its constant kernels, after its engine is gone.
TensorFlow has no public way to take them back. Where a version keeps them elsewhere, they stay, which is all.
"""

from __future__ import annotations

import contextlib
from typing import Any


def give_back(function: Any) -> None:
    """Let a traced function, whose gradients nobody will ask for, be the only one that holds what it needs."""
    graph = function.graph
    for operation in graph.get_operations():
        if operation.type == "IdentityN":
            _forget_gradient(operation)
    called = (operation for operation in graph.get_operations() if "PyFunc" in operation.type)
    graph.python_functions = [_taken(operation, graph) for operation in called]


def _forget_gradient(operation: Any) -> None:
    """`tf.custom_gradient` registers the gradient of each place in a graph under a new name, and it holds the graph."""
    from tensorflow.python.framework import ops

    registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    with contextlib.suppress(ValueError):  # an ordinary operation of this type, which has no such attribute
        registered.pop(operation.get_attr("_gradient_op_type").decode(), None)


def _taken(operation: Any, graph: Any) -> Any:
    """The Python function of `tf.numpy_function`, which TensorFlow lets live as long as the outermost graph."""
    from tensorflow.python.ops import script_ops

    known = getattr(script_ops, "_py_funcs", {})
    function = known.get(operation.get_attr("token").decode())
    held = getattr(_outermost(graph), "_py_funcs_used_in_graph", [])
    for index in reversed(range(len(held))):  # the youngest stand last
        if held[index] is function:
            del held[index]
            break
    return function


def _outermost(graph: Any) -> Any:
    while getattr(graph, "outer_graph", None) is not None:
        graph = graph.outer_graph
    return graph
