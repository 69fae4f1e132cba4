"""Python code inside a model file: found before the file is loaded, because loading is what runs it.

A Lambda layer is Python bytecode; a class or function of any other module is imported and called by its name. Keras
itself refuses some of it in `.keras` files, and nothing in `.h5` files and SavedModels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.models.origin import SAVED_MODEL, Origin, parts_of

HARMLESS = ("keras", "tf_keras", "larq", "builtins")  # Keras looks "builtins" up among its own functions
LAMBDAS = ("Lambda", "__lambda__")
LOADERS = ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")  # layers made of pickles or of other files
OPERATIONS = (
    "io.",
    "raw_ops.",
    "saved_model.",
    "load_",
    "py_function",
    "numpy_function",
)  # of tf.*, that reach outside
GRAPH_OPERATIONS = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "ReadFile", "WriteFile"}


def embedded_code(path: Path, origin: Origin) -> list[str]:
    """What a model file would run or reach for when it is loaded, each in a few words; nothing for a harmless file."""
    code = dict.fromkeys(
        thing for config in origin.configurations for part in parts_of(config) for thing in _code_of(part)
    )
    if origin.container == SAVED_MODEL:
        code.update(dict.fromkeys(_operations_in_graph(path)))
    return list(code)


def _code_of(layer: dict[str, Any]) -> Iterator[str]:
    name, module, config = layer["class_name"], layer.get("module"), layer.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    if name in LAMBDAS:
        yield "a Lambda layer"
    elif name in LOADERS:
        yield f"a {name}"
    elif name == "TFOpLambda" and isinstance(function, str) and any(part in function for part in OPERATIONS):
        yield f"the operation tf.{function}"
    elif isinstance(module, str) and module.split(".")[0] not in HARMLESS:
        yield f"the Python object {module}.{config if name == 'function' else name}"


def _operations_in_graph(folder: Path) -> Iterator[str]:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    content = (folder / "saved_model.pb").read_bytes()
    try:
        graphs = [graph.graph_def for graph in SavedModel.FromString(content).meta_graphs]
    except Exception:  # protobuf's DecodeError; reported where the model is loaded
        return
    for graph in graphs:
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        yield from (f"the operation {node.op}" for node in nodes if node.op in GRAPH_OPERATIONS)
