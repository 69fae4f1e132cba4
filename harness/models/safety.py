"""Python code inside a model file: found before the file is loaded, because loading is what runs it.

A Lambda layer is Python bytecode; a class or function of any other module is imported and called by its name. Keras
itself refuses some of it in `.keras` files, and nothing in `.h5` files and SavedModels.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HARMLESS = ("keras", "tf_keras", "larq", "builtins")  # Keras looks "builtins" up among its own functions
OPERATIONS = (
    "io.",
    "raw_ops.",
    "saved_model.",
    "load_",
    "py_function",
    "numpy_function",
)  # of tf.*, that reach outside
GRAPH_OPERATIONS = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "ReadFile", "WriteFile"}


def embedded_code(path: Path) -> list[str]:
    """What a model file would run or reach for when it is loaded, each in a few words; nothing for a harmless file."""
    code = dict.fromkeys(thing for config in _configurations(path) for thing in _code_in(config))
    if path.is_dir():
        code.update(dict.fromkeys(_operations_in_graph(path)))
    return list(code)


def _configurations(path: Path) -> Iterator[Any]:
    """The file's description of its layers. What is wrong with the file itself is reported where it is loaded."""
    try:
        if path.is_dir():
            yield from _saved_model_configurations(path)
        elif path.suffix == ".keras":
            with zipfile.ZipFile(path) as file:
                yield json.loads(file.read("config.json"))
        else:
            import h5py

            with h5py.File(path) as file:
                yield json.loads(file.attrs.get("model_config", "{}"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return


def _saved_model_configurations(folder: Path) -> Iterator[Any]:
    """Keras keeps a description beside the graph, and rebuilds layers that it knows out of it."""
    from tf_keras.protobuf import saved_metadata_pb2

    path = folder / "keras_metadata.pb"
    if path.is_file():
        for node in saved_metadata_pb2.SavedMetadata.FromString(path.read_bytes()).nodes:
            yield json.loads(node.metadata or "{}")


def _code_in(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield from _code_of(config)
        for name, value in config.items():
            if name != "compile_config":  # models are loaded without it
                yield from _code_in(value)
    elif isinstance(config, list):
        for value in config:
            yield from _code_in(value)


def _code_of(layer: dict[str, Any]) -> Iterator[str]:
    name, module, config = layer["class_name"], layer.get("module"), layer.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    if name in ("Lambda", "__lambda__"):
        yield "a Lambda layer"
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
