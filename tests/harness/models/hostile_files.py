"""Model files by hand, of either Keras, that no Keras ever wrote: a description, and weights that hold nothing."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest

from harness.errors import ConfigError
from harness.models.catalogue import Model, minus_one_to_one
from harness.models.files import read_model

INPUT = {"class_name": "InputLayer", "name": "image", "config": {"name": "image", "batch_input_shape": [None, 4, 4, 3]},
         "inbound_nodes": []}  # fmt: skip
LAMBDA = {"class_name": "Lambda", "config": {"name": "harm", "function": ["4wEAAAA=", None, None]}}
LIST = "not on the list of what a model file may hold"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def functional(layer: dict[str, Any], *, call: Any = None) -> dict[str, Any]:
    """A functional model of Keras 2 with this layer behind its input."""
    call = call if call is not None else [["image", 0, 0, {}]]
    name = layer["config"]["name"]
    layers = [INPUT, {"name": name, "inbound_nodes": [call], **layer}]
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [[name, 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": layers, **ends}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    """A sequential model of Keras 3."""
    start = {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 4, 4, 3]}}
    config = {"name": "model", "layers": [start, *layers]}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def dense(**config: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": "Dense", "config": {"name": "head", "units": 3, **config}}


def weights() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_group("layers")
    return content.getvalue()


def packed(path: Path, config: Any, *, version: str = "3.10.0", **more: bytes) -> Path:
    """A `.keras` file; `config` may be its text."""
    text = config if isinstance(config, (str, bytes)) else json.dumps(config)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", text)
        archive.writestr("model.weights.h5", weights())
        for name, content in more.items():
            archive.writestr(name, content)
    return path


def hdf5(path: Path, config: Any, *, version: str = "2.15.0", userblock: int = 0) -> Path:
    """An `.h5` file."""
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        file.create_group("model_weights").attrs["layer_names"] = []
    return path


def mine(path: Path, **options: Any) -> Model:
    return Model(name="mine", family="", preprocessing=minus_one_to_one(12), classes=3, weights=str(path), **options)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read_model(mine(path, **options))
    assert len(str(caught.value).split("\n  try: ")[0].splitlines()) == 1
    return str(caught.value)
