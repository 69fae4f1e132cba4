"""Flatbuffers that are odd in one respect: what is said of them names that respect, and what helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters import schema
from harness.errors import ConfigError
from harness.models.catalogue import Model
from harness.models.completion import complete
from harness.models.declared import Declared
from harness.models.flatbuffer_preprocessing import range_of
from harness.plan.label_check import check_labels
from tests.harness.strangers.inputs import completed, pictures
from tests.harness.strangers.test_labels_and_classes import labelled_by_rows, model
from tests.harness.strangers.tflite_files import SHAPE, converted, quarters, written


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """The file after `change` of its first input."""
    theirs = schema.read(content)
    graph = theirs.subgraphs[0]
    change(graph.tensors[int(graph.inputs[0])])
    return schema.write(theirs)


def test_a_number_of_a_class_is_no_score_and_only_measured(tmp_path: Path) -> None:
    import tensorflow as tf

    def best(image: Any) -> Any:
        return tf.argmax(tf.reduce_mean(image, [1, 2]), 1)[:, None]

    function = tf.function(best).get_concrete_function(tf.TensorSpec([1, *SHAPE]))
    content = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    done = completed(written(tmp_path, content), pictures(SHAPE))
    assert done.model.unscored == "its output int64 (1, 1) is the index of a class, not a score for each"


@pytest.mark.parametrize("left", [None, []])
def test_an_input_whose_zero_point_is_left_out_has_a_range_from_0(left: Any) -> None:
    content = changed(quarters("int8"), lambda image: setattr(image.quantization, "zeroPoint", left))
    values = range_of(content)
    assert values is not None
    assert (values.zero_point, values.low) == (0, -128 * values.scale)


def test_an_input_larger_than_any_image_is_refused_before_one_is_made(tmp_path: Path) -> None:
    content = changed(quarters(), lambda image: setattr(image, "shape", [1, 20_000, 20_000, 3]))
    with pytest.raises(ConfigError, match=r"expected an input of 1 to 8192 pixels a side, it is \(20000, 20000, 3\)"):
        completed(written(tmp_path, content), pictures(SHAPE))


def test_what_is_wrong_with_a_keras_file_beside_it_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "text.keras").write_text("no model at all")
    path = written(tmp_path, quarters())
    for name, sentence in (("text", "neither a zip file of Keras nor HDF5"), ("absent", "found no file")):
        with pytest.raises(ConfigError, match=rf'model "theirs" keras: of ".*{name}.keras": .*{sentence}'):
            completed(path, pictures(SHAPE), keras=str(tmp_path / f"{name}.keras"))


def test_a_label_beyond_the_classes_of_a_map_asks_for_a_longer_map(tmp_path: Path) -> None:
    mapped = replace(model(3), class_map=(1, 2, 3))
    with pytest.raises(ConfigError, match="try: background_class = false, or class_map with a class for each label"):
        check_labels(mapped, labelled_by_rows(tmp_path, [0, 3, 1]))


def test_a_file_of_open_size_names_the_option_by_which_it_is_timed(tmp_path: Path) -> None:
    import tf_keras

    image = tf_keras.Input((None, None, 3))
    content = converted(tf_keras.Model(image, tf_keras.layers.GlobalAveragePooling2D()(image)))
    with pytest.raises(ConfigError, match="`bitlens bench` measures it with --input-shape"):
        completed(written(tmp_path, content), pictures(SHAPE))


@pytest.mark.parametrize("key", ["trusted", "quantization_aware", "module"])
def test_what_is_said_of_keras_files_alone_is_refused_beside_a_flatbuffer(tmp_path: Path, key: str) -> None:
    said: dict[str, Any] = {key: "layers.py" if key == "module" else True}
    path = written(tmp_path, quarters())
    theirs = Model(
        name="theirs", family="", preprocessing={}, classes=0, weights=str(path), declared=Declared(), **said
    )
    with pytest.raises(ConfigError, match=f'model "theirs" {key}: is for Keras files'):
        complete(theirs, [])
