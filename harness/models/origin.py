"""What a model file is and which Keras wrote it: read from its content, since a suffix says what somebody called it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.keras_packages import KERAS_2, KERAS_3

ZIP, HDF5, SAVED_MODEL = "zip", "HDF5", "SavedModel"
SUFFIXES = {".keras": ZIP, ".h5": HDF5, ".hdf5": HDF5}  # what Keras takes a file of that name for
LARQ_LAYERS = ("QuantConv", "QuantDense", "QuantDepthwise", "QuantLocally", "QuantSeparable")
SAVED_LAYERS = "keras_metadata.pb"  # in the SavedModel folders that `model.save` of Keras 2 wrote, and in no others


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a model file comes from.

    container       ZIP (packed, or the same as a folder), HDF5 or SAVED_MODEL.
    version         of the Keras that wrote it; "" where the file does not say.
    configurations  its layers and all that belongs to them, as Keras reads them; none in a graph without layers.
    """

    container: str
    version: str
    configurations: tuple[Any, ...]

    @property
    def has_layers(self) -> bool:
        """Whether it describes layers; else it holds a graph alone, or weights alone."""
        return bool(self.configurations)

    @property
    def package(self) -> str:
        """The package that reads it. Before version 3 Keras came with TensorFlow, and tf_keras reads what it wrote."""
        return KERAS_2 if self.version.partition(".")[0] in ("", "0", "1", "2") else KERAS_3

    @property
    def has_larq_layers(self) -> bool:
        """Whether one of its layers is Larq's: they go by their bare names in HDF5 files."""
        names = (part["class_name"] for config in self.configurations for part in parts_of(config))
        return self.package == KERAS_2 and any(name.startswith(LARQ_LAYERS) for name in names)


def origin_of(path: Path) -> Origin | None:
    """The origin of a file or folder; None where it is neither of Keras nor a SavedModel.

    Raises OSError, ValueError, TypeError or KeyError for one of Keras that cannot be read to its end.
    """
    import h5py

    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return _of_saved_model(path)
        return _of_archive(path) if (path / "config.json").is_file() else None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _of_archive(zipfile.Path(archive)) if "config.json" in archive.namelist() else None
    return _of_hdf5(path) if h5py.is_hdf5(path) else None


def parts_of(config: Any) -> Iterator[dict[str, Any]]:
    """Every object that a configuration describes, from the model down to a quantizer."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for name, value in config.items():
            if name != "compile_config":  # models are loaded without it
                yield from parts_of(value)
    elif isinstance(config, list):
        for value in config:
            yield from parts_of(value)


def _of_archive(root: Any) -> Origin:
    """`model.save("model.keras")` of either Keras."""
    metadata = root / "metadata.json"
    version = json.loads(metadata.read_text())["keras_version"] if metadata.is_file() else ""
    config = json.loads((root / "config.json").read_text())
    return Origin(container=ZIP, version=str(version), configurations=(config,))


def _of_hdf5(path: Path) -> Origin:
    """`model.save("model.h5")` of either Keras; without configuration, its weights alone."""
    import h5py

    with h5py.File(path) as file:
        version, config = file.attrs.get("keras_version", ""), file.attrs.get("model_config")
    version = version.decode() if isinstance(version, bytes) else version
    configurations = () if config is None else (json.loads(config),)
    return Origin(container=HDF5, version=str(version), configurations=configurations)


def _of_saved_model(folder: Path) -> Origin:
    """A graph; `model.save` of Keras 2 keeps a description beside it, and rebuilds the layers that it knows from it."""
    from tf_keras.protobuf import saved_metadata_pb2

    path = folder / SAVED_LAYERS
    if not path.is_file():
        return Origin(container=SAVED_MODEL, version="", configurations=())
    nodes = saved_metadata_pb2.SavedMetadata.FromString(path.read_bytes()).nodes
    configurations = tuple(json.loads(node.metadata or "{}") for node in nodes)
    version = next((config["keras_version"] for config in configurations if "keras_version" in config), "")
    return Origin(container=SAVED_MODEL, version=str(version), configurations=configurations)
