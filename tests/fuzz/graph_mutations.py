"""Ways to change a SavedModel folder, by structure. Each says whether a folder so changed must be refused."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.config_mutations import CONFIG_MUTATIONS

OPERATIONS = (
    "PrintV2", "Print", "WriteFile", "ReadFile", "MatchingFiles", "Save", "SaveV2", "SaveSlices", "Restore",
    "RestoreV2", "PyFunc", "EagerPyFunc", "PyFuncStateless", "TextLineDataset",
    "TFRecordDataset", "FixedLengthRecordDataset",    
    "TextLineReaderV2", "WholeFileReaderV2", "InitializeTableFromTextFileV2", "HashTableV2", "LookupTableFindV2",
    "DecodeJpeg", "DecodeRaw", "WriteSummary", "SummaryWriter", "CreateSummaryFileWriter", "Stage", "FIFOQueueV2",
    "MergeV2Checkpoints", "ShardedFilename", "VarHandleOp", "RpcCall", "DeleteFile", "NoSuchOperation", "RemoteCall",
    "DebugIdentityV2", "CollectiveReduce", "ImageSummary", "GeneratorDataset", "MapDefun", "XlaLaunch",
    "FileSystemSetConfiguration",
)  # fmt: skip
Folder = Callable[[Path, random.Random, Path], bool]


def read(folder: Path) -> Any:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    return SavedModel.FromString((folder / "saved_model.pb").read_bytes())


def write(folder: Path, saved: Any) -> None:
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())


def used_functions(saved: Any) -> list[Any]:
    meta = saved.meta_graphs[0]
    names = set(meta.object_graph_def.concrete_functions)
    return [function for function in meta.graph_def.library.function if function.signature.name in names]


def print_to_a_file(folder: Path, rng: random.Random, canary: Path) -> bool:
    """An operation that acts when its function is called: in a function that objects hold, or in one that it calls."""
    saved = read(folder)
    function = rng.choice(used_functions(saved))
    text = function.node_def.add(name="harm_text", op="Const")
    text.attr["dtype"].type = 7
    text.attr["value"].tensor.dtype = 7
    text.attr["value"].tensor.string_val.append(b"seen")
    text.attr["value"].tensor.tensor_shape.SetInParent()
    path = function.node_def.add(name="harm_path", op="Const")
    path.CopyFrom(text)
    path.name = "harm_path"
    path.attr["value"].tensor.string_val[0] = str(canary / "graph").encode()
    if rng.random() < 0.5:
        node = function.node_def.add(name="harm", op="PrintV2", input=["harm_text:output:0"])
        node.attr["output_stream"].s = f"file://{canary / 'graph'}".encode()
        node.attr["end"].s = b"\n"
    else:
        node = function.node_def.add(name="harm", op="WriteFile", input=["harm_path:output:0", "harm_text:output:0"])
    function.control_ret["harm"] = "harm"
    function.signature.control_output.append("harm")
    write(folder, saved)
    return True


def swap_operation(folder: Path, rng: random.Random, canary: Path) -> bool:
    saved = read(folder)
    function = rng.choice(used_functions(saved))
    node = rng.choice(function.node_def)
    node.op = rng.choice(OPERATIONS)
    write(folder, saved)
    return True


def swap_in_main_graph(folder: Path, rng: random.Random, canary: Path) -> bool:
    saved = read(folder)
    rng.choice(saved.meta_graphs[0].graph_def.node).op = rng.choice(OPERATIONS)
    write(folder, saved)
    return False


def saver_where_it_is_called(folder: Path, rng: random.Random, canary: Path) -> bool:
    """The folder's own saver, called by a function of the model."""
    saved = read(folder)
    savers = [f for f in saved.meta_graphs[0].graph_def.library.function if any(n.op == "SaveV2" for n in f.node_def)]
    if not savers:
        return False
    function = rng.choice(used_functions(saved))
    call = function.node_def.add(name="harm", op="StatefulPartitionedCall")
    call.attr["f"].func.name = savers[0].signature.name
    write(folder, saved)
    return True


def assets_and_tables(folder: Path, rng: random.Random, canary: Path) -> bool:
    saved = read(folder)
    meta = saved.meta_graphs[0]
    kind = rng.choice(("asset file", "asset", "resource", "registered", "restore"))
    if kind == "asset file":
        meta.asset_file_def.add(filename="../../../../etc/passwd").tensor_info.name = "x:0"
    else:
        node = meta.object_graph_def.nodes.add()
        meta.object_graph_def.nodes[0].children.add(node_id=len(meta.object_graph_def.nodes) - 1, local_name="harm")
        if kind == "asset":
            node.asset.asset_file_def_index = 0
        elif kind == "resource":
            node.resource.device = ""
        else:
            node.user_object.identifier = "_generic_user_object"
            if kind == "registered":
                node.registered_name = "os.system"
            else:
                node.saveable_objects["x"].restore_function = 1
    write(folder, saved)
    return True


def blow_up_constants(folder: Path, rng: random.Random, canary: Path) -> bool:
    saved = read(folder)
    nodes = [n for f in saved.meta_graphs[0].graph_def.library.function for n in f.node_def if n.op == "Const"]
    for node in rng.sample(nodes, min(3, len(nodes))):
        shape = node.attr["value"].tensor.tensor_shape
        shape.ClearField("dim")
        for _ in range(rng.choice((1, 2, 5))):
            shape.dim.add(size=rng.choice((10**5, 10**9, 2**62)))
    for variable in (n.variable for n in saved.meta_graphs[0].object_graph_def.nodes if n.HasField("variable")):
        if rng.random() < 0.2:
            variable.shape.dim.add(size=10**9)
    write(folder, saved)
    return False


def change_messages(folder: Path, rng: random.Random, canary: Path) -> bool:
    """Nodes lost, doubled or renamed; attributes lost; functions that call themselves."""
    saved = read(folder)
    functions = saved.meta_graphs[0].graph_def.library.function
    function = rng.choice(functions)
    node = rng.choice(function.node_def)
    change = rng.choice(("lost", "double", "renamed", "attribute", "circle", "input", "children", "signature"))
    if change == "lost":
        function.node_def.remove(node)
    elif change == "double":
        function.node_def.add().CopyFrom(node)
    elif change == "renamed":
        node.name = rng.choice(("", "../x", "é", "x" * 10**5))
    elif change == "attribute" and node.attr:
        del node.attr[rng.choice(sorted(node.attr))]
    elif change == "circle":
        function.node_def.add(name="again", op="PartitionedCall").attr["f"].func.name = function.signature.name
    elif change == "input":
        node.input.append(rng.choice(("nothing:0", "^again", node.name + ":0")))
    elif change == "children":
        nodes = saved.meta_graphs[0].object_graph_def.nodes
        rng.choice(nodes).children.add(node_id=rng.choice((0, 10**6, len(nodes) - 1)), local_name="more")
    else:
        saved.meta_graphs[0].signature_def["more"].CopyFrom(next(iter(saved.meta_graphs[0].signature_def.values())))
    write(folder, saved)
    return False


def flip_bytes(folder: Path, rng: random.Random, canary: Path) -> bool:
    path = rng.choice([file for file in sorted(folder.rglob("*")) if file.is_file() and file.stat().st_size])
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 3, 30))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)
    return False


def links(folder: Path, rng: random.Random, canary: Path) -> bool:
    path = rng.choice([folder / "saved_model.pb", folder / "variables"])
    moved = folder.parent / f"{folder.name}-moved-{path.name}"
    path.rename(moved)
    path.symlink_to(os.path.relpath(moved, path.parent))
    return True


def two_at_once(folder: Path, rng: random.Random, canary: Path) -> bool:
    (folder / "config.json").write_text(json.dumps({"class_name": "Sequential", "config": {"layers": []}}))
    return True


def change_layers(folder: Path, rng: random.Random, canary: Path) -> bool:
    """What Keras 2 keeps of its layers beside the graph."""
    path = folder / "keras_metadata.pb"
    if not path.is_file():
        return flip_bytes(folder, rng, canary)
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    saved = SavedMetadata.FromString(path.read_bytes())
    node = rng.choice(saved.nodes)
    config = json.loads(node.metadata)
    mutate = rng.choice(CONFIG_MUTATIONS)
    try:
        mutate([config], rng, canary)
    except (IndexError, KeyError, TypeError, ValueError):
        config["class_name"] = "TextVectorization"
    node.metadata = json.dumps(config)
    path.write_bytes(saved.SerializeToString())
    return False


GRAPH_MUTATIONS: tuple[Folder, ...] = (
    print_to_a_file, swap_operation, swap_operation, swap_in_main_graph, saver_where_it_is_called, assets_and_tables,
    blow_up_constants, change_messages, change_messages, flip_bytes, links, two_at_once, change_layers, change_layers,
)  # fmt: skip
