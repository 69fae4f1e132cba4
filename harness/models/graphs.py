"""The graph of a SavedModel, operation by operation, before TensorFlow loads it.

TensorFlow's loader takes a folder's functions and the objects around them; the graph that stands beside them, with the
saver in it, is never run. So functions that an object or a signature reaches may compute and no more, and the rest may
name the saver's operations as well.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.models import configurations
from harness.models.allowed_operations import OPERATIONS, SAVER
from harness.models.refusals import Unreadable, Unsafe, words
from harness.models.sizes import check_sizes

OBJECTS = ("user_object", "function", "variable", "bare_concrete_function", "constant", "captured_tensor", None)
REGISTERED = {"constant": ("", "tf.TrackableConstant")}  # by the kind of object: what TensorFlow makes of numbers alone
MOST_CONSTANTS = 64 * 2**20  # bytes beyond what the file holds: one number may stand for a whole array of it


def message_of(module: str, name: str) -> Any:
    """A class of messages that TensorFlow or tf_keras has generated, without a second or more for the whole package."""
    package = module.partition(".")[0]
    if package not in sys.modules:
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise Unreadable(f"{package} is not installed")
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = list(found.submodule_search_locations)
    return getattr(importlib.import_module(module), name)


def check_graph(path: Path) -> None:
    """Raises Unsafe for operations and objects that are not on the list, and Unreadable for what is no such graph."""
    content = path.read_bytes()
    saved = message_of("tensorflow.core.protobuf.saved_model_pb2", "SavedModel").FromString(content)
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise Unreadable("its graph was not saved by TensorFlow 2")
    found = [*_foreign_objects(saved.meta_graphs[0]), *_foreign_operations(saved.meta_graphs[0])]
    if found:
        raise Unsafe(found)
    _check_constants(saved.meta_graphs[0].graph_def, most=MOST_CONSTANTS + 2 * len(content))


def _foreign_objects(meta_graph: Any) -> Iterator[str]:
    if meta_graph.asset_file_def:
        yield "files that its graph reads (assets)"
    for node in meta_graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in OBJECTS:
            yield "a table or another resource" if kind == "resource" else f"an object of the kind {kind}"
        if node.registered_saver or node.registered_name not in REGISTERED.get(kind, ("",)):
            yield f"the registered object {words(node.registered_name or node.registered_saver)}"
        if any(item.save_function or item.restore_function for item in node.saveable_objects.values()):
            yield "a function that restores an object when it is loaded"


def _foreign_operations(meta_graph: Any) -> Iterator[str]:
    graph = meta_graph.graph_def
    functions = {function.signature.name: function for function in graph.library.function}
    if len(functions) < len(graph.library.function):
        raise Unreadable("it has two functions of one name")
    calls = {name: _called(function.node_def, functions) for name, function in functions.items()}
    try:
        TopologicalSorter(calls).prepare()
    except CycleError:
        raise Unreadable("its functions call each other in a circle") from None
    used = _reachable(calls, _entrances(meta_graph.object_graph_def))
    for name, function in functions.items():
        known = OPERATIONS if name in used else OPERATIONS | SAVER
        yield from _operations_besides(known | functions.keys(), function.node_def, f'function "{words(name)}"')
    yield from _operations_besides(OPERATIONS | SAVER | functions.keys(), graph.node, "its main graph")


def _operations_besides(known: Any, nodes: Any, where: str) -> Iterator[str]:
    first = {node.op: node.name for node in reversed(nodes) if node.op not in known}
    for operation, node in first.items():
        yield f'the operation {words(operation)} ("{words(node)}" in {where})'


def _called(nodes: Any, functions: dict[str, Any]) -> set[str]:
    """The functions that these nodes call, by an attribute or as an operation of their name."""
    names = {node.op for node in nodes}
    for node in nodes:
        for value in node.attr.values():
            names |= {value.func.name, *(function.name for function in value.list.func)}
    return names & functions.keys()


def _entrances(objects: Any) -> set[str]:
    """The functions that objects of the file, signatures among them, hold."""
    names = set(objects.concrete_functions)
    for node in objects.nodes:
        names |= {*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name}
    return names


def _reachable(calls: dict[str, set[str]], entrances: set[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(entrances & calls.keys())
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += calls[name]
    return reached


def _check_constants(graph: Any, *, most: int) -> None:
    """One number may stand for a whole array of it, which would be made when the graph is called."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    tensors = (value.tensor for node in nodes for value in node.attr.values() if value.HasField("tensor"))
    total = sum(8 * math.prod(max(size.size, 0) for size in tensor.tensor_shape.dim) for tensor in tensors)
    if total > most:
        raise Unreadable(f"its constants unpack to more than {most >> 20} MiB")


# ----------------------------------------------------------------------------------- the layers that Keras 2 describes
def read_layers(content: bytes) -> tuple[bytes, str, list[Any]]:
    """What Keras 2 keeps beside a graph, as it may be loaded; with its version, and the configurations in it.

    A layer of a class that Keras does not have is made of the graph, which is examined as well: its class is renamed,
    so that Keras looks for no other of that name.
    """
    saved = message_of("tf_keras.protobuf.saved_metadata_pb2", "SavedMetadata").FromString(content)
    configs, version = [], ""
    for node in saved.nodes:
        config = configurations.parsed(node.metadata or "{}")
        if not isinstance(config, dict):
            raise Unreadable("the description of a layer is not an object")
        config.pop("training_config", None)  # models are loaded without it
        version = version or str(config.get("keras_version", ""))
        node.metadata = json.dumps(configurations.with_foreign_classes_renamed(config))
        configs.append(config)
    if len({node.node_id for node in saved.nodes}) < len(saved.nodes):
        raise Unreadable("it describes a layer twice")
    return saved.SerializeToString(), version, configs


def check_layers(configs: list[Any]) -> None:
    """Raises Unsafe for what is not on the list, and Unreadable where Keras would wait for ever."""
    found = [thing for config in configs for thing in configurations.foreign_things(config)]
    if found:
        raise Unsafe(found)
    for config in configs:
        check_sizes(config)
        configurations.check_calls(config)
