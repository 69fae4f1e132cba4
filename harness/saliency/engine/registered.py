"""What TensorFlow registers for the whole process while it traces, taken back.

It would keep every traced pass in memory for ever, with its constant kernels, after its engine is gone. TensorFlow has
no public way for that. Where a version keeps it elsewhere, it stays, which is all.
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


def _forget_gradient(operation: Any) -> None:
    """`tf.custom_gradient` registers the gradient of each place in a graph under a new name, and it holds the graph."""
    from tensorflow.python.framework import ops

    registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    with contextlib.suppress(ValueError):  # an ordinary operation of this type, which has no such attribute
        registered.pop(operation.get_attr("_gradient_op_type").decode(), None)
