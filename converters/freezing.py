"""The model's function without variables, its constants the same wherever it is converted.

TensorFlow folds constant expressions with the vector instructions of the machine it runs on. Those approximate
1/sqrt(x) and exp(x), and add in an order of their own, so that the multiplier of a batch norm differs in its last bit
from one machine to the next. Constant expressions with such an operation are therefore computed here, before a
converter sees them: by NumPy in float64, rounded to float32 once. All others are rounded exactly by any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Rounded exactly by every machine: computed here only together with something of INEXACT.
EXACT: dict[str, Callable[..., Array]] = {
    "Abs": np.abs,
    "Add": np.add,
    "AddV2": np.add,
    "ExpandDims": lambda x, axis: np.expand_dims(x, int(axis)),
    "Identity": lambda x: x,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "RealDiv": np.divide,
    "Reshape": np.reshape,
    "Sign": np.sign,
    "Square": np.square,
    "StopGradient": lambda x: x,
    "Sub": np.subtract,
    "Transpose": np.transpose,
}
INEXACT: dict[str, Callable[..., Array]] = {
    "Exp": np.exp,
    "Log": np.log,
    "Mean": lambda x, axes, keepdims: np.mean(x, axis=tuple(np.ravel(axes)), keepdims=keepdims),
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Sqrt": np.sqrt,
    "Sum": lambda x, axes, keepdims: np.sum(x, axis=tuple(np.ravel(axes)), keepdims=keepdims),
    "Tanh": np.tanh,
}
OPERATIONS = EXACT | INEXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenGraph:
    """A GraphDef without variables, its nodes in order of execution, and the tensors at its two ends."""

    definition: Any
    image: Any
    scores: Any

    def function(self) -> Any:
        """As a tf.function image -> {"scores"}."""
        import tensorflow as tf

        def imported(x: Any) -> dict[str, Any]:
            feeds, wanted = {self.image.name: x}, [self.scores.name]
            return {"scores": tf.graph_util.import_graph_def(self.definition, feeds, wanted, name="")[0]}

        signature = tf.TensorSpec(self.image.shape, self.image.dtype, name="image")
        return tf.function(imported, input_signature=[signature], autograph=False)


def freeze(function: Any) -> FrozenGraph:
    """The graph of a concrete function image -> {"scores"}.

    A batch norm is one multiplication and one addition in it; converters fold the former into a convolution before it.
    """
    frozen = _with_variables_as_constants(function) or _inlined(function)
    return replace(frozen, definition=with_exact_constants(frozen.definition))


def _with_variables_as_constants(function: Any) -> FrozenGraph | None:
    """The graph with the values of what it captures; None if it calls functions, or does more than read its variables.

    TensorFlow's own way takes as long as the rest of a conversion, where protobuf is written in Python.
    """
    import tensorflow as tf

    graph = function.graph.as_graph_def()
    if graph.library.function:
        return None
    captured = {inside.op.name: outside for outside, inside in function.graph.captures}
    variables = {name for name, outside in captured.items() if outside.dtype == tf.resource}
    frozen = tf.compat.v1.GraphDef(versions=graph.versions)
    for node in graph.node:
        if variables.intersection(node.input):
            if node.op != "ReadVariableOp":
                return None
            dtype = tf.as_dtype(node.attr["dtype"].type)
            value = tf.raw_ops.ReadVariableOp(resource=captured[node.input[0]], dtype=dtype)
            frozen.node.append(_constant(node.name, value.numpy()))
        elif node.name not in captured:
            frozen.node.append(node)
        elif node.name not in variables:
            frozen.node.append(_constant(node.name, captured[node.name].numpy()))
    return FrozenGraph(definition=frozen, image=function.inputs[0], scores=function.outputs[0])


def _inlined(function: Any) -> FrozenGraph:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    return FrozenGraph(definition=frozen.graph.as_graph_def(), image=frozen.inputs[0], scores=frozen.outputs[0])


def with_exact_constants(graph: Any) -> Any:
    """A GraphDef without variables, its nodes in order of execution, with its inexact constant expressions computed.

    What only served to compute them is still in it; converters drop it.
    """
    import tensorflow as tf

    expressions = _Expressions(graph)
    folded = tf.compat.v1.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        if node.name in expressions.wanted:
            folded.node.append(_constant(node.name, expressions.value(node.name).astype(np.float32)))
        elif expressions.is_constant_norm(node):
            folded.node.extend(_multiplication_and_addition(node, *expressions.norm(node)))
        else:
            folded.node.append(node)
    return folded


class _Expressions:
    """The constant expressions of a graph, and their values in float64.

    wanted  names of those that TensorFlow would compute inexactly and that something not constant reads.
    """

    def __init__(self, graph: Any) -> None:
        self._nodes = {node.name: node for node in graph.node}
        self._outputs_read = {tensor for node in graph.node for tensor in node.input}
        self._constant: set[str] = set()
        inexact: set[str] = set()
        for node in filter(self._is_constant, graph.node):
            self._constant.add(node.name)
            if node.op in INEXACT or not inexact.isdisjoint(self._sources(node)):
                inexact.add(node.name)
        readers = [node for node in graph.node if node.name not in inexact and node.op != "IdentityN"]
        self.wanted = inexact.intersection(source for node in readers for source in self._sources(node))

    def value(self, name: str) -> Array:
        """Of a constant expression; float64 where the graph's is float32."""
        import tensorflow as tf

        node = self._nodes[name]
        if node.op == "Const":
            value: Array = tf.make_ndarray(node.attr["value"].tensor)
            return value.astype(np.float64) if value.dtype == np.float32 else value
        options = {"keepdims": node.attr["keep_dims"].b} if "keep_dims" in node.attr else {}
        with np.errstate(all="ignore"):  # infinities are as right here as they would be in float32
            return OPERATIONS[node.op](*map(self.value, self._sources(node)), **options)

    def is_constant_norm(self, node: Any) -> bool:
        """Whether a node is a float32 batch norm with constant parameters, of which nothing but the result is read."""
        return bool(
            node.op == "FusedBatchNormV3"
            and not node.attr["is_training"].b
            and node.attr["data_format"].s == b"NHWC"
            and _is_float32(node)
            and self._constant.issuperset(self._sources(node)[1:])
            and self._outputs_read.isdisjoint(f"{node.name}:{output}" for output in range(1, 6))
        )

    def norm(self, node: Any) -> tuple[Array, Array]:
        """multiplier and shift (C,) of a batch norm with constant parameters: multiplier * x + shift."""
        gamma, beta, mean, variance = map(self.value, self._sources(node)[1:])
        multiplier = gamma / np.sqrt(variance + node.attr["epsilon"].f)
        return multiplier, beta - mean * multiplier

    def _is_constant(self, node: Any) -> bool:
        if node.op == "Const":
            return True
        return node.op in OPERATIONS and _is_float32(node) and self._constant.issuperset(self._sources(node))

    def _sources(self, node: Any) -> list[str]:
        """Names of the nodes whose results a node reads."""
        return [self._source(tensor) for tensor in node.input if not tensor.startswith("^")]

    def _source(self, tensor: str) -> str:
        """Custom gradients, such as those of Larq's quantizers, pass values through IdentityN."""
        name, _, output = tensor.partition(":")
        node = self._nodes[name]
        return self._source(node.input[int(output or 0)]) if node.op == "IdentityN" else name


def _is_float32(node: Any) -> bool:
    import tensorflow as tf

    return bool(node.attr["T"].type == tf.float32.as_datatype_enum)


def _multiplication_and_addition(norm: Any, multiplier: Array, shift: Array) -> list[Any]:
    """The nodes that take the place of a batch norm; the last has its name."""
    name, x = norm.name, norm.input[0]
    return [
        _constant(f"{name}/multiplier", multiplier.astype(np.float32)),
        _constant(f"{name}/shift", shift.astype(np.float32)),
        _operation("Mul", f"{name}/scaled", x, f"{name}/multiplier"),
        _operation("AddV2", name, f"{name}/scaled", f"{name}/shift"),
    ]


def _constant(name: str, value: Array) -> Any:
    import tensorflow as tf

    node = tf.compat.v1.NodeDef(op="Const", name=name)
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def _operation(op: str, name: str, *inputs: str) -> Any:
    import tensorflow as tf

    node = tf.compat.v1.NodeDef(op=op, name=name, input=inputs)
    node.attr["T"].type = tf.float32.as_datatype_enum
    return node
