"""SavedModel folders of strangers: every operation of every function is on the list, or the folder is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.harness.models.hostile_files import LIST, refusal

SHAPE = (12, 12, 3)


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
        str(tmp_path / "words"),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(words, -1)
    module.function = tf.function(
        lambda image: {"scores": tf.cast(module.table.lookup(tf.as_string(image)), tf.float32)},
        input_signature=[tf.TensorSpec((None, *SHAPE))],
        autograph=False,
    )
    tf.saved_model.save(module, str(tmp_path / "folder"), signatures={"serve": module.function})
    assert "files that its graph reads (assets), a table or another resource" in refusal(tmp_path / "folder")
