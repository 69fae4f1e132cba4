"""Model files of strangers: what is not on the list is refused before any of it is loaded, in one sentence."""

from __future__ import annotations

import builtins
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest

from harness.models import allowed, safety
from harness.models.allowed_operations import OPERATIONS
from harness.models.configurations import foreign_things
from tests.harness.models.hostile_files import (
    HDF5_SIGNATURE,
    LAMBDA,
    LIST,
    dense,
    functional,
    hdf5,
    packed,
    refusal,
    sequential,
)


# ---------------------------------------------------------------------------------------------- content, never the name
def lambda_in_hdf5(path: Path) -> Path:
    return hdf5(path, functional(LAMBDA))


def lambda_in_zip(path: Path) -> Path:
    return packed(path, sequential({"module": "keras.layers", **LAMBDA}))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda_in_hdf5, "m.keras"),
        (lambda_in_hdf5, "m.zip"),
        (lambda_in_hdf5, "m"),
        (lambda_in_zip, "m.h5"),
        (lambda_in_zip, "m.hdf5"),
        (lambda_in_zip, "m.KERAS"),
    ],
)
def test_code_is_found_whatever_the_file_is_called(make: Any, name: str, tmp_path: Path) -> None:
    sentence = refusal(make(tmp_path / name))
    assert f'holds a Lambda layer in layer "harm": {LIST}' in sentence
    assert "trusted = true" in sentence


def test_hdf5_file_that_is_a_zip_file_as_well_is_read_as_hdf5(tmp_path: Path) -> None:
    path = lambda_in_hdf5(tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive:  # a harmless model behind it
        archive.writestr("config.json", json.dumps(sequential(dense())))
    assert zipfile.is_zipfile(path)
    assert h5py.is_hdf5(path)
    assert "a Lambda layer" in refusal(path)


def test_hdf5_file_behind_a_zip_file_is_read_as_the_zip_file(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5", functional(LAMBDA), userblock=4096)
    content = bytearray(path.read_bytes())
    harmless = packed(tmp_path / "other.keras", sequential(dense())).read_bytes()
    content[: len(harmless)] = harmless
    path.write_bytes(content)
    assert h5py.is_hdf5(path)
    with safety.examined("mine", path, trusted=False) as file:
        assert file.origin.container == "zip"
        assert not h5py.is_hdf5(file.path)
        assert "Lambda" not in zipfile.ZipFile(file.path).read("config.json").decode()


@pytest.mark.parametrize("start", [HDF5_SIGNATURE, b"#!/bin/sh\n", bytes(512)])
def test_zip_file_behind_something_else_is_not_read_as_a_zip_file(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(start + packed(tmp_path / "other.keras", sequential(dense())).read_bytes())
    assert zipfile.is_zipfile(path)
    assert "could not be read as a Keras model" in refusal(path)


def test_folder_that_is_two_models_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(sequential(dense())))
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert "two models at once, of config.json and of saved_model.pb" in refusal(tmp_path)


def test_what_is_loaded_is_what_was_examined(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    with safety.examined("mine", path, trusted=False) as file:
        lambda_in_zip(path)
        os.unlink(path)
        assert "Lambda" not in zipfile.ZipFile(file.path).read("config.json").decode()


# --------------------------------------------------------------------------------------------------- what is not listed
def found(config: Any) -> str:
    """What the examiner would name of a description, without a file and a process for each."""
    return ", ".join(foreign_things(json.loads(json.dumps(config))))


CONSTANT_CALLS = [
    ("keras.models.model_from_json", json.dumps(functional(LAMBDA)), {}),
    ("keras.utils.get_file", "f", {"origin": "http://127.0.0.1:9/f", "cache_dir": "/tmp/x"}),
    ("print", "seen", {"output_stream": "file:///tmp/seen"}),
    ("io.write_file", "/tmp/seen", {"contents": "seen"}),
    ("io.gfile.GFile", "/tmp/seen", {"mode": "w"}),
    ("io.gfile.rmtree", "/tmp/x", {}),
    ("io.read_file", "/etc/passwd", {}),
    ("raw_ops.WriteFile", "/tmp/seen", {}),
    ("saved_model.load", "/tmp/x", {}),
    ("keras.models.load_model", "/tmp/x", {}),
    ("load_op_library", "/tmp/x.so", {}),
    ("compat.v1.gfile.Open", "/tmp/seen", {}),
    ("keras.utils.plot_model", "m", {"to_file": "/tmp/seen"}),
    ("py_function", "f", {}),
    ("summary.create_file_writer", "/tmp/x", {}),
]


def calling(function: str, first: str, others: dict[str, Any]) -> dict[str, Any]:
    layer = {"class_name": "TFOpLambda", "config": {"name": "harm", "function": function}}
    return functional(layer, call=["_CONSTANT_VALUE", -1, first, others])


@pytest.mark.parametrize(("function", "first", "others"), CONSTANT_CALLS, ids=[call[0] for call in CONSTANT_CALLS])
def test_operation_that_reaches_outside_is_not_listed(function: str, first: str, others: dict[str, Any]) -> None:
    assert f'the operation tf.{function} in layer "harm"' in found(calling(function, first, others))


@pytest.mark.parametrize("make", [packed, hdf5])
@pytest.mark.parametrize("call", CONSTANT_CALLS[:4], ids=[call[0] for call in CONSTANT_CALLS[:4]])
def test_file_with_an_operation_that_reaches_outside_is_refused(call: Any, make: Any, tmp_path: Path) -> None:
    sentence = refusal(make(tmp_path / "m.keras", calling(*call), version="2.15.0"))
    assert f'holds the operation tf.{call[0]} in layer "harm"' in sentence


@pytest.mark.parametrize("call", [["_CONSTANT_VALUE", -1, 2.0, {}], ["_CONSTANT_VALUE", -1, [[1.0]], {"y": 3}], [], {}])
@pytest.mark.parametrize("function", ["math.add", "zeros", "fill", "tile"])
def test_harmless_operation_on_constants_is_refused_since_it_would_run_at_once(function: str, call: Any) -> None:
    layer = {"class_name": "TFOpLambda", "config": {"name": "op", "function": function}}
    assert found(functional(layer)) == ""
    assert 'a call of layer "op" without a tensor' in found(functional(layer, call=call))


def function(name: str, module: str = "builtins", **more: Any) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, **more}


PARTS = [
    (function("system", "os"), "the function os.system"),
    (function("exec"), "the function builtins.exec"),
    (function("get_file", "keras.utils"), "the function keras.utils.get_file"),
    (function("func_load", "tf_keras.src.utils.generic_utils"), "func_load"),
    (function("relu", "keras.activations", registered_name="system"), "the function keras.activations.relu"),
    (function("load_model", "keras.saving"), "the function keras.saving.load_model"),
    ({"module": "os", "class_name": "ReLU", "config": {}, "registered_name": "system"}, "the Python object os.ReLU"),
    ({"module": "os", "class_name": "__tuple__", "config": {}, "registered_name": "system"}, "os.__tuple__"),
    ({"module": "keras.layers", "class_name": "ReLU", "config": {}, "registered_name": "x>Y"}, "a ReLU"),
    ({"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}, "a Lambda layer"),
    ({"class_name": "__typespec__", "module": "os", "spec_name": "system", "config": []}, "__typespec__"),
    ({"class_name": "TypeSpec", "type_spec": "tf.OptionalSpec", "serialized": []}, "the type tf.OptionalSpec"),
    ({"class_name": "CompositeTensor", "spec": {}, "tensors": []}, "a CompositeTensor"),
    ({"class_name": "__numpy__", "config": {"value": [""], "dtype": "S1000000000"}}, 'type "S1000000000"'),
    ({"class_name": ["ReLU"], "config": {}}, "an object without a proper name"),
    ("no_such_function", 'the activation "no_such_function"'),
    ("deserialize", 'the activation "deserialize"'),
]


@pytest.mark.parametrize(("part", "named"), PARTS, ids=[named for _, named in PARTS])
def test_part_that_is_not_listed_is_named_with_its_layer(part: Any, named: str) -> None:
    assert named in found(sequential(dense(activation=part)))
    assert 'in layer "head"' in found(sequential(dense(x=[[{"y": {"activation": part}}]])))


OTHER_LAYERS = [
    "TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "TFSMLayer", "TorchModuleWrapper", "JaxLayer",
    "FlaxLayer", "ClassMethod", "InstanceMethod", "InstanceProperty", "LinearModel", "MelSpectrogram", "Layer",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHER_LAYERS)
def test_layer_that_reads_files_or_holds_code_is_refused(name: str) -> None:
    config = {"name": "words", "vocabulary": "/etc/passwd", "filepath": "/x", "cls_symbol": "io.gfile.GFile"}
    layer = {"class_name": name, "config": config}
    assert f'a {name} in layer "words"' in found(functional(layer))
    for module in ("keras.layers", "tf_keras.layers", "keras.src.layers", "keras"):
        assert f'a {name} in layer "words"' in found(sequential({"module": module, **layer}))


def test_layer_inside_layers_and_models_is_found() -> None:
    inner = {"module": "keras.layers", **LAMBDA}
    wrapped = {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"name": "outer", "layer": inner}}
    for layer in (wrapped, sequential(sequential(inner)), dense(build_config={"input": inner})):
        assert found(sequential(layer)) == 'a Lambda layer in layer "harm"'


def test_many_findings_are_counted_and_codes_of_the_terminal_are_not_repeated(tmp_path: Path) -> None:
    layers = [{"class_name": "Own", "module": f"\x1b[31mevil{i}\n", "config": {"name": "x" * 999}} for i in range(9)]
    sentence = refusal(packed(tmp_path / "m.keras", sequential(*layers)))
    assert "and 4 more" in sentence
    assert "\x1b" not in sentence
    assert len(sentence) < 1000


def test_how_a_model_was_compiled_is_of_no_interest(tmp_path: Path) -> None:
    config = {**sequential(dense()), "compile_config": {"loss": function("system", "os")}}
    config["config"]["layers"].append({**sequential(dense()), "compile_config": {"loss": function("system", "os")}})
    with safety.examined("m", packed(tmp_path / "m.keras", config), trusted=False) as file:
        assert "system" not in zipfile.ZipFile(file.path).read("config.json").decode()


def test_no_listed_function_is_one_of_python() -> None:
    """Keras 2 looks "builtins" up among its own functions, and then in Python's module of that name."""
    assert allowed.FUNCTIONS & set(dir(builtins)) == frozenset()
    outside = ("file", "print", "py_", "pyf", "load", "save", "io.", "raw_ops", "gfile", "json", "library", "summary")
    assert [name for name in allowed.FUNCTIONS_OF_TENSORFLOW if any(word in name for word in outside)] == []
    assert [name for name in OPERATIONS if any(word in name.lower() for word in (*outside, "dataset", "table"))] == []
