"""Model files of strangers: what is not on the list is refused before any of it is loaded, in one sentence.

None of the refusals here imports TensorFlow: they come from the process that looks into a file.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from harness.errors import ConfigError
from harness.models import safety
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.configurations import MOST_BYTES
from harness.models.files import read_model
from tests.harness.models.hostile_files import (
    HDF5_SIGNATURE,
    INPUT,
    LAMBDA,
    dense,
    functional,
    hdf5,
    packed,
    sequential,
    weights,
)  # fmt: skip

LIST = "not on the list of what a model file may hold"


def mine(path: Path, **options: Any) -> Model:
    return Model(name="mine", family="", preprocessing=minus_one_to_one(4), classes=3, weights=str(path), **options)


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files that must be empty again after each test."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    left = [path.name for path in folder.iterdir()]
    assert [name for name in left if not name.startswith("__autograph")] == []  # TensorFlow's, as long as it runs


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read_model(mine(path, **options))
    assert len(str(caught.value).split("\n  try: ")[0].splitlines()) == 1
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- content, never the name
def lambda_in_hdf5(path: Path) -> Path:
    return hdf5(path, functional(LAMBDA))


def lambda_in_zip(path: Path) -> Path:
    return packed(path, sequential({"module": "keras.layers", **LAMBDA}))


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5", "m.zip", "m", "m.tflite", "m.KERAS"])
@pytest.mark.parametrize("make", [lambda_in_hdf5, lambda_in_zip])
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


def test_hdf5_file_behind_a_zip_file_is_no_hdf5(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5", functional(LAMBDA), userblock=4096)
    content = bytearray(path.read_bytes())
    harmless = packed(tmp_path / "other.keras", sequential(dense())).read_bytes()
    content[: len(harmless)] = harmless
    path.write_bytes(content)
    assert h5py.is_hdf5(path)
    assert "could not be read as a Keras model" in refusal(path)


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


@pytest.mark.parametrize("container", ["keras", "h5"])
@pytest.mark.parametrize(("function", "first", "others"), CONSTANT_CALLS, ids=[call[0] for call in CONSTANT_CALLS])
def test_operation_that_reaches_outside_is_refused(
    function: str, first: str, others: dict[str, Any], container: str, tmp_path: Path
) -> None:
    layer = {"class_name": "TFOpLambda", "config": {"name": "harm", "function": function}}
    config = functional(layer, call=["_CONSTANT_VALUE", -1, first, others])
    make = packed if container == "keras" else hdf5
    sentence = refusal(make(tmp_path / f"m.{container}", config, version="2.15.0"))
    assert f'holds the operation tf.{function} in layer "harm"' in sentence


@pytest.mark.parametrize("call", [["_CONSTANT_VALUE", -1, 2.0, {}], ["_CONSTANT_VALUE", -1, [[1.0]], {"y": 3}], [], {}])
@pytest.mark.parametrize("function", ["math.add", "zeros", "fill", "tile"])
def test_harmless_operation_on_constants_is_refused_since_it_would_run_at_once(
    function: str, call: Any, tmp_path: Path
) -> None:
    layer = {"class_name": "TFOpLambda", "config": {"name": "op", "function": function}}
    path = hdf5(tmp_path / "m.h5", functional(layer, call=call))
    assert 'a call of layer "op" without a tensor' in refusal(path)


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
def test_part_that_is_not_listed_is_named_with_its_layer(part: Any, named: str, tmp_path: Path) -> None:
    sentence = refusal(packed(tmp_path / "m.keras", sequential(dense(activation=part))))
    assert named in sentence
    assert f'in layer "head": {LIST}' in sentence


OTHER_LAYERS = [
    "TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "TFSMLayer", "TorchModuleWrapper", "JaxLayer",
    "FlaxLayer", "ClassMethod", "InstanceMethod", "InstanceProperty", "LinearModel", "MelSpectrogram", "Layer",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHER_LAYERS)
def test_layer_that_reads_files_or_holds_code_is_refused(name: str, tmp_path: Path) -> None:
    config = {"name": "words", "vocabulary": "/etc/passwd", "filepath": "/x", "cls_symbol": "io.gfile.GFile"}
    bare = hdf5(tmp_path / "m.h5", functional({"class_name": name, "config": config}))
    full = packed(tmp_path / "m.keras", sequential({"module": "keras.layers", "class_name": name, "config": config}))
    for path in (bare, full):
        assert f'holds a {name} in layer "words"' in refusal(path)


def test_layer_inside_layers_and_models_is_found(tmp_path: Path) -> None:
    inner = {"module": "keras.layers", **LAMBDA}
    wrapped = {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"name": "outer", "layer": inner}}
    for number, layer in enumerate((wrapped, sequential(sequential(inner)), dense(build_config={"input": inner}))):
        assert 'a Lambda layer in layer "harm"' in refusal(packed(tmp_path / f"{number}.keras", sequential(layer)))


def test_many_findings_are_counted_and_codes_of_the_terminal_are_not_repeated(tmp_path: Path) -> None:
    layers = [{"class_name": "Own", "module": f"\x1b[31mevil{i}\n", "config": {"name": "x" * 999}} for i in range(9)]
    sentence = refusal(packed(tmp_path / "m.keras", sequential(*layers)))
    assert "and 6 more" in sentence
    assert "\x1b" not in sentence
    assert len(sentence) < 1000


def test_how_a_model_was_compiled_is_of_no_interest(tmp_path: Path) -> None:
    config = {**sequential(dense()), "compile_config": {"loss": function("system", "os")}}
    config["config"]["layers"].append({**sequential(dense()), "compile_config": {"loss": function("system", "os")}})
    with safety.examined("m", packed(tmp_path / "m.keras", config), trusted=False) as file:
        assert "system" not in zipfile.ZipFile(file.path).read("config.json").decode()


# ------------------------------------------------------------------------------------------------- bounds and damage
def test_description_of_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("config.json", "w", force_zip64=True) as part,
    ):
        for _ in range(512):
            part.write(b" " * 2**20)
    assert path.stat().st_size < 2**20
    assert "its config.json has more than 16 MiB" in refusal(path)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_entry_that_lies_about_its_size_is_read_no_further(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    texts = {"config.json": json.dumps(sequential(dense())), "metadata.json": "{}", name: " " * (MOST_BYTES + 2)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, text in texts.items():
            archive.writestr(inside, text)
    content = path.read_bytes().replace((MOST_BYTES + 2).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    path.write_bytes(content)
    assert "could not be read as a Keras model" in refusal(path)


def test_entries_beside_the_model_are_not_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for i in range(8):
            archive.writestr(f"assets/{i}", bytes(2**24))
    with safety.examined("m", path, trusted=False) as file:
        assert [entry.name for entry in file.path.parent.iterdir()] == ["model.keras"]
        assert len(zipfile.ZipFile(file.path).namelist()) == 3


def linked(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("assets/link")
    entry.external_attr = 0o120777 << 16
    archive.writestr(entry, "/etc/passwd")


ENTRIES = [
    (lambda archive: archive.writestr("../harm", b""), "leads out of the archive"),
    (lambda archive: archive.writestr("/tmp/harm", b""), "leads out of the archive"),
    (lambda archive: archive.writestr("assets/../../harm", b""), "leads out of the archive"),
    (lambda archive: archive.writestr("C:\\harm", b""), "leads out of the archive"),
    (lambda archive: archive.writestr("config.json", b"{}"), "two entries of one name"),
    (linked, "is a link"),
    (lambda archive: archive.writestr("x", bytes(99), zipfile.ZIP_BZIP2), "packed in an unusual way"),
    (lambda archive: [archive.writestr(f"{i}", b"") for i in range(1000)], "entries, more than 1000"),
]


@pytest.mark.parametrize(("add", "why"), ENTRIES, ids=[f"{i} {why}" for i, (_, why) in enumerate(ENTRIES)])
def test_archive_that_no_honest_packer_wrote_is_refused(add: Any, why: str, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        add(archive)
    assert why in refusal(path)


TEXTS = [
    ("[" * 200_000, "nested deeper"),
    ('{"a":' * 200_000, "nested deeper"),
    (json.dumps(sequential(dense(axis=json.loads("[" * 300 + "]" * 300)))), "nested deeper than 200 levels"),
    ('{"class_name": "Sequential", "class_name": "Lambda", "config": {}}', 'says "class_name" twice'),
    ("", "is not JSON"),
    ('{"class_name": "Sequential"', "is not JSON"),
    ("9" * 10_000, "is not JSON"),
    ("\x00\xff", "is not JSON"),
]


@pytest.mark.parametrize(("text", "why"), TEXTS, ids=[f"{i} {why}" for i, (_, why) in enumerate(TEXTS)])
def test_description_that_cannot_be_read_is_refused_in_a_sentence(text: str, why: str, tmp_path: Path) -> None:
    assert why in refusal(packed(tmp_path / "m.keras", text))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(functional(dense())))
        archive.writestr("model.weights.npz", b"x")
    assert "its weights are kept as pickles (model.weights.npz)" in refusal(path)


def absurd(file: h5py.File) -> None:
    file.create_dataset("x", (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")


def unpacked(file: h5py.File) -> None:
    file.create_dataset("x", data=np.zeros((2**13, 2**13), "f4"), chunks=True, compression="gzip")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("x", layout)


def elsewhere(file: h5py.File) -> None:
    file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def external_link(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file: h5py.File) -> None:
    file["x"] = h5py.SoftLink("/nowhere")


def objects(file: h5py.File) -> None:
    file.create_dataset("x", data=["text"], dtype=h5py.string_dtype())


def enormous_attribute(file: h5py.File) -> None:
    file.create_group("x").attrs.create("x", np.zeros(9000, "V8000"))


ARRAYS = [
    (absurd, "unpacks to more than"), (unpacked, "unpack"), (virtual, "kept in another file"),
    (elsewhere, "kept in another file"), (external_link, "is a link to another place"),
    (soft_link, "is a link to another place"), (objects, "holds no numbers"), (enormous_attribute, "more than"),
]  # fmt: skip


@pytest.mark.parametrize("inside", ["m.h5", "m.keras"])
@pytest.mark.parametrize(("add", "why"), ARRAYS, ids=[add.__name__ for add, _ in ARRAYS])
def test_hdf5_that_leads_elsewhere_or_holds_more_than_it_has_is_refused(
    add: Any, why: str, inside: str, tmp_path: Path
) -> None:
    path = hdf5(tmp_path / "m.h5", sequential(dense()), version="3.10.0")
    with h5py.File(path, "r+", libver="latest") as file:
        add(file)
    if inside == "m.keras":
        content, path = path.read_bytes(), tmp_path / "m.keras"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", json.dumps(sequential(dense())))
            archive.writestr("model.weights.h5", content)
    assert why in refusal(path)


def test_layer_that_waits_for_itself_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    for number, call in enumerate(([["head", 0, 0, {}]], [["image", 0, 0, {}], ["head", 5, 0, {}]])):
        path = hdf5(tmp_path / f"{number}.h5", functional({**dense(), "module": None}, call=call))
        assert 'its layer "head" waits for a tensor' in refusal(path)


@pytest.mark.parametrize("version", ["2.15.0", "3.10.0"])
def test_layer_with_more_weights_than_the_file_holds_is_not_built(version: str, tmp_path: Path) -> None:
    layers = [
        {**INPUT, "module": "keras.layers", "config": {"name": "image", "batch_shape": [None, 4, 4, 3]}},
        dense(units=2_000_000_000),
    ]
    if version.startswith("2"):
        layers[0]["config"] = INPUT["config"]
    model = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    path = packed(tmp_path / "m.keras", model, version=version)
    assert "its layers have more weights than it holds values" in refusal(path)


# --------------------------------------------------------------------------------------------------- what is no file
def test_pipe_device_and_socket_are_no_model_and_nobody_waits_for_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "zero.h5").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path)  # names of sockets are short
        listener.bind("socket.keras")
        for name in ("pipe.keras", "zero.h5", "socket.keras", "/dev/null"):
            sentence = refusal(tmp_path / name)
            assert "could not be read as a Keras model" in sentence or "expected an .h5 or .keras file" in sentence
            with pytest.raises(ConfigError, match="is neither"):
                mine(tmp_path / name).spec()


@pytest.mark.parametrize("part", ["config.json", "model.weights.h5", "metadata.json"])
def test_part_of_a_folder_that_is_a_link_or_a_pipe_is_refused(part: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.unpack_archive(packed(tmp_path / "m.keras", sequential(dense())), folder, "zip")
    (folder / part).rename(tmp_path / part)
    (folder / part).symlink_to(tmp_path / part)
    assert f'"{part}" is a link' in refusal(folder)
    (folder / part).unlink()
    os.mkfifo(folder / part)
    assert "neither a file nor a folder" in refusal(folder)


def test_link_to_a_model_is_the_model_and_a_link_to_itself_is_none(tmp_path: Path) -> None:
    packed(tmp_path / "m.keras", sequential(dense()))
    (tmp_path / "link").symlink_to("m.keras")
    with safety.examined("m", tmp_path / "link", trusted=False) as file:
        assert file.origin.container == "zip"
    (tmp_path / "loop.h5").symlink_to("loop.h5")
    assert "found no file" in refusal(tmp_path / "loop.h5")
    assert "found no file" in refusal(tmp_path / ("x" * 5000))


# ------------------------------------------------------------------------------------------------ the examiner itself
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("kill -SEGV $$", "died of SIGSEGV"),
        ("kill -XCPU $$", "took too long"),
        ("echo not json", "ended without a word"),
        ("echo '[]'", "said nothing"),
        ("exit 3", "ended without a word"),
    ],
)
def test_examiner_that_fails_is_a_refusal(
    script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    program = tmp_path / "python"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert why in refusal(path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert "could not be started" in refusal(path)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of address space is Linux's")
def test_examiner_has_a_limit_of_memory_of_its_own(tmp_path: Path) -> None:
    import resource

    from harness.models import examiner

    code = (
        "import sys, json, resource; from pathlib import Path; from harness.models import examiner;"
        "examiner._limit(Path(sys.argv[1])); print(json.dumps([resource.getrlimit(k)[0] for k in"
        "(resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True)
    assert json.loads(done.stdout) == [examiner.MEMORY, examiner.SECONDS, 0]
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != examiner.SECONDS, "the limits are the other process's"


def test_examiner_runs_nothing_that_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    for name in ("json.py", "h5py.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('read from the current folder')")
    monkeypatch.chdir(tmp_path)
    with safety.examined("m", path, trusted=False) as file:
        assert file.origin.version == "3.10.0"


def test_weights_of_a_stranger_for_a_model_of_the_catalogue_are_examined_too(tmp_path: Path) -> None:
    from harness.models.catalogue import CATALOGUE, catalogue_model
    from harness.models.loading import load_model

    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["stem"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ConfigError, match="is a link to another place"):
        load_model(catalogue_model("planted-float", CATALOGUE["planted-float"], weights=str(path)))


def test_no_weights_at_all_is_said(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(weights())
    assert "it describes no layers" in refusal(tmp_path / "weights.h5")
