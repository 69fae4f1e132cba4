"""SavedModel folders of strangers: every operation of every function is on the list, or the folder is refused."""

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
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.files import read_model
from harness.models.loading import load_model

SHAPE = (12, 12, 3)
LIST = "not on the list of what a model file may hold"


def mine(path: Path) -> Model:
    return Model(name="mine", family="", preprocessing=minus_one_to_one(12), classes=3, weights=str(path))


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_model(mine(path))
    assert len(str(caught.value).split("\n  try: ")[0].splitlines()) == 1
    return str(caught.value)


def saved_function(path: Path, act: Callable[[Any], Any]) -> Path:
    """The mean colour of an image as its scores, by a function that does something beside it."""
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE))], autograph=False)
    def scores(image: Any) -> Any:
        done = act(image)
        with tf.control_dependencies([] if done is None else [done]):
            return {"scores": tf.reduce_mean(image, (1, 2))}

    module.function = scores
    tf.saved_model.save(module, str(path), signatures={"serve": scores})
    return path


def text_of(path: str) -> Any:
    import tensorflow as tf

    return tf.data.TextLineDataset(path).reduce(np.int64(0), lambda count, _: count + 1)


def acts(target: str) -> dict[str, Callable[[Any], Any]]:
    """The operation that must be named, and what makes it; each would leave a file or read one."""
    import tensorflow as tf

    raw = tf.raw_ops
    words = tf.constant(["seen"])
    return {
        "PrintV2": lambda image: tf.print("seen", output_stream=f"file://{target}"),
        "Save": lambda image: raw.Save(filename=target, tensor_names=["x"], data=[image]),
        "SaveV2": lambda image: raw.SaveV2(prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[image]),
        "SaveSlices": lambda image: raw.SaveSlices(
            filename=target, tensor_names=["x"], shapes_and_slices=[""], data=[image]
        ),
        "TextLineDataset": lambda image: text_of("/etc/passwd"),
        "TFRecordDataset": lambda image: tf.data.TFRecordDataset("/etc/passwd").reduce(
            np.int64(0), lambda count, _: count + 1
        ),
        "ReadFile": lambda image: tf.io.read_file("/etc/passwd"),
        "WriteFile": lambda image: tf.io.write_file(target, "seen"),
        "MatchingFiles": lambda image: tf.io.matching_files("/etc/*"),
        "EagerPyFunc": lambda image: tf.py_function(lambda: 1.0, [], tf.float32),
        "PyFunc": lambda image: tf.numpy_function(lambda: np.float32(1), [], tf.float32),
        "RestoreV2": lambda image: raw.RestoreV2(
            prefix=target, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0],
        "DecodeJpeg": lambda image: tf.io.decode_jpeg(words[0]),
        "ImageSummary": lambda image: raw.ImageSummary(tag="x", tensor=image),
    }


@pytest.mark.parametrize(
    "operation",
    [
        "PrintV2", "Save", "SaveV2", "SaveSlices", "TextLineDataset", "TFRecordDataset", "ReadFile", "WriteFile",
        "MatchingFiles", "EagerPyFunc", "PyFunc", "RestoreV2", "DecodeJpeg", "ImageSummary",
    ],
)  # fmt: skip
def test_operation_that_is_not_listed_is_named_with_its_function(operation: str, tmp_path: Path) -> None:
    path = saved_function(tmp_path / "folder", acts(str(tmp_path / "seen"))[operation])
    sentence = refusal(path)
    assert f"holds the operation {operation}" in sentence or f"the operation {operation} (" in sentence
    assert 'in function "__inference_' in sentence
    assert LIST in sentence
    assert not (tmp_path / "seen").exists()


def inside(act: Callable[[Any], Any], how: str) -> Callable[[Any], Any]:
    """The same in a function that another one calls."""
    import tensorflow as tf

    def one(image: Any) -> Any:
        with tf.control_dependencies([act(image)]):
            return tf.constant(1.0)

    ways: dict[str, Callable[[Any], Any]] = {
        "a call": lambda image: tf.function(one, autograph=False)(image),
        "a branch": lambda image: tf.cond(tf.reduce_sum(image) > 0, lambda: one(image), lambda: 0.0),
        "a loop": lambda image: tf.while_loop(lambda i: i < 1, lambda i: i + one(image), [0.0])[0],
        "a map": lambda image: tf.map_fn(one, image),
    }
    return ways[how]


@pytest.mark.parametrize("how", ["a call", "a branch", "a loop", "a map"])
def test_operation_is_found_in_functions_that_functions_call(how: str, tmp_path: Path) -> None:
    act = inside(acts(str(tmp_path / "seen"))["WriteFile"], how)
    assert "the operation WriteFile" in refusal(saved_function(tmp_path / "folder", act))


def test_table_from_a_file_is_refused(tmp_path: Path) -> None:
    import tensorflow as tf

    (tmp_path / "words").write_text("one\ntwo\n")
    words = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, 0
    )
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(words, 0)
    module.function = tf.function(
        lambda image: {"scores": tf.cast(module.table.lookup(tf.as_string(image)), tf.float32)},
        input_signature=[tf.TensorSpec((None, *SHAPE))],
        autograph=False,
    )
    tf.saved_model.save(module, str(tmp_path / "folder"), signatures={"serve": module.function})
    assert "files that its graph reads (assets), a table or another resource" in refusal(tmp_path / "folder")


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

    assert "the operation SaveV2" in refusal(changed_graph(folder, call_it))


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
    (of_tensorflow_1, "its graph is not as TensorFlow 2 saves one"),
    (two_graphs, "its graph is not as TensorFlow 2 saves one"),
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
