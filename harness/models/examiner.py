"""Examines one model file, in a process of its own with limits: `python -m harness.models.examiner REQUEST`.

REQUEST is JSON: the path, the folder for the copy (or nothing: then the file is only looked at), and what is expected.
Foreign bytes are parsed by h5py, zipfile, JSON and protobuf here, before the process that does the work sees them; what
is examined is the copy that is loaded. One line of JSON on stdout is the verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

from device.flatbuffer import MOST_BYTES
from harness.models import configurations, containers
from harness.models.containers import HDF5, SAVED_MODEL, TFLITE, UNPACKED, ZIP
from harness.models.origin import LARQ_LAYERS, package_of
from harness.models.refusals import Unreadable, Unsafe, words
from harness.models.sizes import check_sizes

MEMORY = 1536 * 2**20  # bytes of address space: 300 MiB are the libraries
SECONDS = 60  # of processor time, and one more for each MiB of the file
MOST_FINDINGS = 5  # that are named


def main() -> None:
    request = json.loads(sys.argv[1])
    path = Path(request["path"])
    _limit(path)
    print(json.dumps(verdict(path, Path(request["target"]) if request["target"] else None)))


def verdict(path: Path, target: Path | None) -> dict[str, Any]:
    """What the file is, or why it is refused: never an exception of what was in it."""
    try:
        return {"container": None, **_examined(path, target)}
    except Unsafe as unsafe:
        return {"unsafe": unsafe.found[:MOST_FINDINGS], "more": max(0, len(unsafe.found) - MOST_FINDINGS)}
    except Unreadable as unreadable:
        return {"unreadable": str(unreadable)}
    except MemoryError:
        return {"unreadable": f"it takes more than {MEMORY >> 20} MiB of memory to examine"}
    except RecursionError:
        return {"unreadable": "damaged: it is nested too deeply"}
    except Exception as error:  # h5py, zipfile, JSON and protobuf raise all sorts
        return {"unreadable": f"damaged: {words(error, limit=160) or type(error).__name__}"}


def _limit(path: Path) -> None:
    """Memory, time and the size of what is written; where the system knows no such limit, there is none."""
    import resource

    size = _size(path)
    seconds = SECONDS + (size >> 20)
    limits = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: containers.most_bytes(size) + 2**26,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _size(path: Path) -> int:
    """Bytes of a file, or of those in a folder that a model may consist of: the folder may be all there is."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            folders = [folder for folder in (path, path / containers.VARIABLES) if folder.is_dir()]
            return sum(entry.stat().st_size for folder in folders for entry in os.scandir(folder) if entry.is_file())
        return path.stat().st_size
    return 0


def _examined(path: Path, target: Path | None) -> dict[str, Any]:
    container = containers.container_of(path)
    if container is None:
        return {}
    if container == SAVED_MODEL:
        return _saved_model(path, target)
    if container == HDF5:
        return _hdf5(path, target)
    if container == TFLITE:
        return _flatbuffer(path, target)
    return _archive(path, container, target)


# ----------------------------------------------------------------------------------------------- one for each container
def _archive(path: Path, container: str, target: Path | None) -> dict[str, Any]:
    """`model.save("model.keras")` of either Keras, packed or as a folder; the copy holds what Keras reads of it."""
    with contextlib.ExitStack() as stack:
        parts = containers.Parts(path, container, stack)
        if containers.CONFIG not in parts.names:
            return {}
        config = configurations.parsed(parts.text(containers.CONFIG))
        metadata = configurations.parsed(parts.text(containers.METADATA)) if containers.METADATA in parts.names else {}
        version = str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""
        if target is None:
            return _described(container, version, [config])
        _check(configurations.without_compiling(config), version)
        if containers.WEIGHTS not in parts.names:
            kept = f"as pickles ({containers.PICKLES})" if containers.PICKLES in parts.names else "nowhere"
            raise Unreadable(f"its weights are kept {kept}, not in a {containers.WEIGHTS}")
        parts.copy(containers.WEIGHTS, target / containers.WEIGHTS)
    weight_bytes = _weight_bytes(target / containers.WEIGHTS)
    texts = {containers.CONFIG: config, containers.METADATA: {"keras_version": version}}
    with zipfile.ZipFile(target / "model.keras", "x", allowZip64=True) as archive:
        for name, text in texts.items():
            archive.writestr(name, json.dumps(text))
        archive.write(target / containers.WEIGHTS, containers.WEIGHTS)
    (target / containers.WEIGHTS).unlink()
    return {**_described(container, version, [config]), "copy": "model.keras", "weight_bytes": weight_bytes}


def _hdf5(path: Path, target: Path | None) -> dict[str, Any]:
    """`model.save("model.h5")` of either Keras, or weights alone."""
    if target is None:
        return _hdf5_description(path)
    with containers.opened(path) as file:
        containers.copy(file, target / "model.h5", most=containers.size_of(file))
    weight_bytes = _weight_bytes(target / "model.h5")
    found = _hdf5_description(target / "model.h5", judge=True)
    name = found.pop("name")
    (target / "model.h5").rename(target / name)
    return {**found, "copy": name, "weight_bytes": weight_bytes}


def _hdf5_description(path: Path, *, judge: bool = False) -> dict[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        config, version = (_text(file.attrs.get(name)) for name in ("model_config", "keras_version"))
        by_layer = "layer_names" in file.attrs or "model_weights" in file  # as `save_weights` kept them until Keras 3
    configs = [] if config is None else [configurations.parsed(config)]
    version = version or ""
    if judge:
        for config in configs:
            _check(config, version)
    name = "model.h5" if by_layer else "model.weights.h5"
    return {**_described(HDF5, version, configs), "name": name}


def _text(attribute: Any) -> str | None:
    if attribute is None or isinstance(attribute, str):
        return attribute
    if not isinstance(attribute, bytes):
        raise Unreadable("its description is not text")
    return attribute.decode()


def _flatbuffer(path: Path, target: Path | None) -> dict[str, Any]:
    """A finished artifact of anybody's. It is no code: whether it does harm is seen in the process that runs it."""
    from converters.contents import contents
    from converters.schema import NotAnArtifact

    with containers.opened(path) as file:
        size = containers.size_of(file)
        if size > MOST_BYTES:
            raise Unreadable(f"it has {size:,} bytes, more than a flatbuffer can have")
        content = file.read()
    try:
        contents(content)
    except NotAnArtifact as error:  # which says itself that it is damaged
        raise Unreadable(words(error, limit=160)) from error
    if target is None:
        return _described(TFLITE, "", [])
    (target / "model.tflite").write_bytes(content)
    return {**_described(TFLITE, "", []), "copy": "model.tflite", "weight_bytes": len(content)}


def _saved_model(path: Path, target: Path | None) -> dict[str, Any]:
    """A graph; `model.save` of Keras 2 keeps a description beside it, and rebuilds the layers that it knows from it."""
    from harness.models import graphs

    names = {entry.name for entry in os.scandir(path)}
    if target is None:
        _, version, configs = _layers_of(path, names)
        return _described(SAVED_MODEL, version, configs)
    copy = target / "model"
    (copy / containers.VARIABLES).mkdir(parents=True)
    _copy_regular(path, path / containers.GRAPH, copy / containers.GRAPH)
    graphs.check_graph(copy / containers.GRAPH)
    weight_bytes = _copy_variables(path, copy)
    content, version, configs = _layers_of(path, names)
    graphs.check_layers(configs)
    if configs:
        (copy / containers.LAYERS).write_bytes(content)
    return {**_described(SAVED_MODEL, version, configs), "copy": "model", "weight_bytes": weight_bytes}


def _layers_of(path: Path, names: set[str]) -> tuple[bytes, str, list[Any]]:
    from harness.models import graphs

    if containers.LAYERS not in names:
        return b"", "", []
    with containers.opened(path / containers.LAYERS, within=path) as file:
        return graphs.read_layers(file.read())


def _copy_variables(path: Path, copy: Path) -> int:
    folder = path / containers.VARIABLES
    if folder.is_symlink():
        raise Unreadable(f'"{containers.VARIABLES}" is a link')
    if not folder.is_dir():
        return 0
    entries = sorted(folder.iterdir())
    if len(entries) > containers.MOST_ENTRIES:
        raise Unreadable(f"it has {len(entries)} files of variables, more than {containers.MOST_ENTRIES}")
    files = [entry for entry in entries if entry.name.startswith("variables.")]
    return sum(_copy_regular(path, file, copy / containers.VARIABLES / file.name) for file in files)


def _copy_regular(folder: Path, source: Path, target: Path) -> int:
    with containers.opened(source, within=folder) as file:
        return containers.copy(file, target, most=containers.size_of(file))


# ------------------------------------------------------------------------------------------------------ what they share
def _check(config: Any, version: str) -> None:
    found = list(configurations.foreign_things(config))
    if found:
        raise Unsafe(found)
    check_sizes(config)
    if package_of(version) == "tf_keras":
        configurations.check_calls(config)


def _weight_bytes(path: Path) -> int:
    from harness.models.weights import check_hdf5

    return check_hdf5(path)


def _described(container: str, version: str, configs: list[Any]) -> dict[str, Any]:
    names = (part.get("class_name") for config in configs for part, _ in configurations.parts_of(config))
    larq = any(isinstance(name, str) and name.startswith(LARQ_LAYERS) for name in names)
    kind = ZIP if container == UNPACKED else container
    return {"container": kind, "version": words(version), "has_layers": bool(configs), "names_larq_layers": larq}


if __name__ == "__main__":
    main()
