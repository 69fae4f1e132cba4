"""Model files that are damaged, larger than they say, or no files: refused in one sentence, within bounds."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from harness.models import safety
from harness.models.configurations import MOST_BYTES
from tests.harness.models.hostile_files import (
    INPUT,
    dense,
    functional,
    hdf5,
    packed,
    refusal,
    sequential,
)


# ------------------------------------------------------------------------------------------------- bounds and damage
def test_description_of_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "m.keras", sequential(dense()))
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("config.json", "w", force_zip64=True) as part,
    ):
        for _ in range(128):
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
            archive.writestr(f"assets/{i}", bytes(2**22))
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
    (lambda archive: archive.writestr("x", bytes(99), zipfile.ZIP_BZIP2), "compressed in an unusual way"),
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
    file.create_dataset("x", data=np.zeros((2**12, 2**12), "f4"), chunks=True, compression="gzip")


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
        dense(units=16_000_000),
    ]
    if version.startswith("2"):
        layers[0]["config"] = INPUT["config"]
    model = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    path = packed(tmp_path / "m.keras", model, version=version)
    assert "its layers have more weights than it holds values" in refusal(path)


def test_layer_of_keras_2_that_makes_more_tensors_than_any_model_has_is_stopped(tmp_path: Path) -> None:
    layer = {"class_name": "TFOpLambda", "config": {"name": "rows", "function": "unstack"}}
    model = functional(layer, call=[["image", 0, 0, {"axis": 2}]])
    model["config"]["layers"][0] = {**INPUT, "config": {"name": "image", "batch_input_shape": [None, 200_000, 4, 3]}}
    assert "its layers make more than 100,000 tensors" in refusal(hdf5(tmp_path / "m.h5", model))


def test_layer_of_keras_3_that_makes_more_tensors_than_any_model_has_is_stopped(tmp_path: Path) -> None:
    history = {"shape": [None, 4, 4, 3], "dtype": "float32", "keras_history": ["image", 0, 0]}
    call = {"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": {}}
    image = {"name": "image", "batch_shape": [None, 4, 4, 3]}
    rows = {"name": "rows", "num": 2**24, "axis": 1}
    layers = [
        {"module": "keras.layers", "class_name": "InputLayer", "name": "image", "config": image, "inbound_nodes": []},
        {
            "module": "keras.src.ops.core",
            "class_name": "Unstack",
            "name": "rows",
            "config": rows,
            "inbound_nodes": [call],
        },
    ]
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [["rows", 0, 0]]}
    config = {"name": "m", "layers": layers, **ends}
    model = {"module": "keras.src.models.functional", "class_name": "Functional", "config": config}
    assert "its layers make more than 100,000 tensors" in refusal(packed(tmp_path / "m.keras", model))


def test_recurrence_that_would_be_unrolled_is_refused_and_a_rolled_one_is_not(tmp_path: Path) -> None:
    for unroll in (True, 1):
        layer = {"class_name": "SimpleRNN", "config": {"name": "steps", "units": 3, "unroll": unroll}}
        assert 'an unrolled recurrence in layer "steps"' in refusal(hdf5(tmp_path / "m.h5", sequential(layer)))
    layer["config"]["unroll"] = False
    path = hdf5(tmp_path / "rolled.h5", sequential(layer))
    with safety.examined("m", path, trusted=False) as file:
        assert file.origin.has_layers


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"units": 2**40}, 'its units in layer "head" is larger than 16777216'),
        ({"units": 10**30}, "its units in layer"),
        ({"kernel_size": [3, -(2**30)]}, "its kernel_size in layer"),
        ({"batch_input_shape": [None, 2**20, 2**20, 3]}, "its batch_input_shape in layer"),
        ({"name": "head\x1b[31m"}, "a name in it is not a valid name"),
        ({"name": "x" * 5000}, "a name in it is not a valid name"),
    ],
)
def test_size_or_name_that_no_layer_has_is_refused(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    sentence = refusal(packed(tmp_path / "m.keras", sequential(dense(**change))))
    assert why in sentence
    assert sentence.isprintable() or "\x1b" not in sentence


def test_seeds_are_numbers_of_any_size(tmp_path: Path) -> None:
    with safety.examined("m", packed(tmp_path / "m.keras", sequential(dense(seed=2**60))), trusted=False) as file:
        assert file.origin.has_layers
