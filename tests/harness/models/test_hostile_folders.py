"""SavedModel folders of strangers: what is around the graph and beside it is judged too."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.models.files import read_model
from harness.models.loading import load_model
from tests.harness.models.hostile_files import LIST, mine, refusal

SHAPE = (12, 12, 3)


# --------------------------------------------------------------------------------------------- folders changed by hand
@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of Keras 2 with its layers, as `model.save` writes one."""
    import tf_keras

    image = tf_keras.Input(SHAPE)
    x = tf_keras.layers.Flatten()(tf_keras.layers.Conv2D(2, 3, activation="relu")(image))
    path = tmp_path_factory.mktemp("harmless") / "folder"
    tf_keras.Model(image, tf_keras.layers.Dense(3)(x)).save(path)
    return path


@pytest.fixture
def folder(harmless: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(harmless, tmp_path / "folder"))


def changed_graph(folder: Path, change: Callable[[Any], None]) -> Path:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    path = folder / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    change(saved)
    path.write_bytes(saved.SerializeToString())
    return folder


def used(saved: Any) -> Any:
    """A function that an object of the folder holds."""
    meta = saved.meta_graphs[0]
    names = meta.object_graph_def.concrete_functions
    return next(function for function in meta.graph_def.library.function if function.signature.name in names)


def test_harmless_folder_is_read(folder: Path) -> None:
    assert load_model(mine(folder)).output_shape == (None, 3)


def test_saver_of_the_folder_may_not_be_called_by_the_model(folder: Path) -> None:
    def call_it(saved: Any) -> None:
        functions = saved.meta_graphs[0].graph_def.library.function
        saver = next(f for f in functions if any(node.op == "SaveV2" for node in f.node_def))
        used(saved).node_def.add(name="harm", op="PartitionedCall").attr["f"].func.name = saver.signature.name

    assert "the operation StaticRegexFullMatch" in refusal(changed_graph(folder, call_it))


def call_itself(saved: Any) -> None:
    used(saved).node_def.add(name="again", op=used(saved).signature.name)


def twice(saved: Any) -> None:
    saved.meta_graphs[0].graph_def.library.function.add().CopyFrom(used(saved))


def of_tensorflow_1(saved: Any) -> None:
    saved.meta_graphs[0].ClearField("object_graph_def")


def two_graphs(saved: Any) -> None:
    saved.meta_graphs.add().CopyFrom(saved.meta_graphs[0])


def a_terabyte(saved: Any) -> None:
    node = used(saved).node_def.add(name="big", op="Const")
    node.attr["value"].tensor.dtype = 1
    node.attr["value"].tensor.float_val.append(1)
    node.attr["value"].tensor.tensor_shape.dim.add(size=2**38)


CHANGES = [
    (call_itself, "its functions call each other in a circle"),
    (twice, "two functions of one name"),
    (of_tensorflow_1, "its graph was not saved by TensorFlow 2"),
    (two_graphs, "its graph was not saved by TensorFlow 2"),
    (a_terabyte, "its constants unpack to more than"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_graph_that_no_honest_writer_made_is_refused(change: Any, why: str, folder: Path) -> None:
    assert why in refusal(changed_graph(folder, change))


def an_asset(saved: Any) -> None:
    saved.meta_graphs[0].asset_file_def.add(filename="../../etc/passwd")


def a_resource(saved: Any) -> None:
    saved.meta_graphs[0].object_graph_def.nodes.add().resource.device = ""


def a_registered_object(saved: Any) -> None:
    saved.meta_graphs[0].object_graph_def.nodes.add().registered_name = "os.system"


def a_restoring_function(saved: Any) -> None:
    saved.meta_graphs[0].object_graph_def.nodes.add().saveable_objects["x"].restore_function = 1


OBJECTS = [
    (an_asset, "assets"), (a_resource, "a table or another resource"), (a_registered_object, "os.system"),
    (a_restoring_function, "a function that restores an object"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "named"), OBJECTS, ids=[change.__name__ for change, _ in OBJECTS])
def test_object_that_acts_when_it_is_loaded_is_refused(change: Any, named: str, folder: Path) -> None:
    sentence = refusal(changed_graph(folder, change))
    assert named in sentence
    assert LIST in sentence


@pytest.mark.parametrize("part", ["saved_model.pb", "keras_metadata.pb", "variables", "variables/variables.index"])
def test_part_that_is_a_link_is_refused(part: str, folder: Path, tmp_path: Path) -> None:
    (folder / part).rename(tmp_path / "moved")
    (folder / part).symlink_to(tmp_path / "moved")
    assert f'"{part}" is a link' in refusal(folder)


def test_part_that_is_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / "keras_metadata.pb").unlink()
    os.mkfifo(folder / "keras_metadata.pb")
    assert "neither a file nor a folder" in refusal(folder)


@pytest.mark.parametrize("part", ["saved_model.pb", "variables/variables.index"])
@pytest.mark.parametrize("content", [b"", b"\xff" * 100, bytes(1000), b"\x0a\xff\xff\xff\xff\x0f"])
def test_part_that_is_damaged_is_said_in_a_sentence(part: str, content: bytes, folder: Path) -> None:
    (folder / part).write_bytes(content)
    assert "could not be read as a" in refusal(folder)


# -------------------------------------------------------------------------------------- what Keras 2 says of its layers
def changed_layers(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Its last layer, a Dense, is described otherwise."""
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    path = folder / "keras_metadata.pb"
    saved = SavedMetadata.FromString(path.read_bytes())
    node = next(node for node in saved.nodes if json.loads(node.metadata).get("class_name") == "Dense")
    config = json.loads(node.metadata)
    change(config)
    node.metadata = json.dumps(config)
    path.write_bytes(saved.SerializeToString())
    return folder


LAYERS: list[tuple[dict[str, Any], str]] = [
    ({"class_name": "Lambda", "config": {"name": "x", "function": ["4wEA", None, None]}}, "a Lambda layer"),
    (
        {"class_name": "TFOpLambda", "config": {"name": "x", "function": "io.write_file"}},
        "tf.io.write_file",
    ),
    ({"class_name": "Dense", "module": "os", "config": {"name": "x"}}, "the Python object os.Dense"),
    ({"config": {"name": "x", "units": 3, "activation": {"class_name": "Lambda", "config": {}}}}, "a Lambda layer"),
    ({"config": {"name": "x", "units": 3, "activation": "deserialize"}}, 'the activation "deserialize"'),
]


@pytest.mark.parametrize(("change", "named"), LAYERS, ids=[named for _, named in LAYERS])
def test_description_of_a_layer_is_judged_as_in_a_file_of_keras(
    change: dict[str, Any], named: str, folder: Path
) -> None:
    assert named in refusal(changed_layers(folder, lambda config: config.update(change)))


@pytest.mark.parametrize("name", ["TextVectorization", "StringLookup", "LinearModel"])
def test_class_that_is_not_listed_is_not_looked_up_but_made_of_its_graph(name: str, folder: Path) -> None:
    """Keras 2 knows these names: found, they would read the file."""
    config = {"name": "x", "vocabulary": "/etc/passwd"}
    changed_layers(folder, lambda layer: layer.update(class_name=name, config=config))
    try:
        loaded = read_model(mine(folder))
    except ConfigError:
        return
    assert name not in {type(layer).__name__ for layer in loaded.layers}
    assert np.asarray(loaded(np.zeros((1, *SHAPE), np.float32))).shape == (1, 3)
