"""A run's artifacts under names that people read: <model>-<format>.tflite beside the blobs, or in a folder of theirs.

In the run's own folder they are further names of the blobs' files, which take no room; elsewhere they are copies, so
that whoever changes one changes no run.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, quoted
from harness.store.atomic_files import write_atomically
from harness.store.blobs import Damaged
from harness.store.folder import output_errors_explained
from harness.store.store_reader import StoreReader, read_store

FOLDER = "artifacts"  # of a run
MOST_BYTES = 180  # of a model's part of a file name, of which most file systems take 255
_ODD = re.compile(r"[^\w.+=-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFiles:
    """What was written; sentences about names that are not the models' own, and about artifacts that are damaged."""

    folder: Path
    files: tuple[Path, ...]
    remarks: tuple[str, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Artifact:
    model: str
    format: str
    blob: str


def name_artifacts(run: Path) -> ArtifactFiles:
    """The artifacts of the latest plan that are done, in <run>/artifacts. Raises ConfigError."""
    return read_store(run, lambda store: _written(store, run / FOLDER, copied=False))


def export_artifacts(run: Path, out: Path) -> ArtifactFiles:
    """Copies of them in another folder. A file there that is another one is not replaced. Raises ConfigError."""
    return read_store(run, lambda store: _written(store, out, copied=True))


def file_names(artifacts: Sequence[tuple[str, str]]) -> list[str]:
    """A file name for each (model, format): letters, digits and . _ + = - of the model's name, others as "_".

    Where two come out alike, also to file systems that know no capitals, all of them get digits of the model's name.
    """
    stems = [f"{_safe(model)}-{format_name}" for model, format_name in artifacts]
    often = Counter(stem.casefold() for stem in stems)
    return [
        f"{stem}{f'-{_digits(model)}' if often[stem.casefold()] > 1 else ''}.tflite"
        for stem, (model, _) in zip(stems, artifacts, strict=True)
    ]


def _safe(model: str) -> str:
    plain = _ODD.sub("_", model)
    plain = f"_{plain[1:]}" if plain[:1] in (".", "-") else plain or "_"
    return plain.encode()[:MOST_BYTES].decode(errors="ignore")


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


def _written(store: StoreReader, folder: Path, *, copied: bool) -> ArtifactFiles:
    artifacts = [
        _Artifact(model=unit.spec["model"]["name"], format=unit.spec["format"], blob=unit.result["blob"])
        for unit in store.planned_units("conversion")
        if unit.status == "done"
    ]
    names = file_names([(artifact.model, artifact.format) for artifact in artifacts])
    files, damaged = [], []
    with output_errors_explained(f'artifacts in "{folder}"'):
        if artifacts:
            folder.mkdir(parents=True, exist_ok=True)
        for artifact, name in zip(artifacts, names, strict=True):
            try:
                (_copy if copied else _name)(store, artifact.blob, folder / name)
            except Damaged:
                damaged.append(
                    f'model "{artifact.model}" as {artifact.format}: its file in the run is missing or damaged'
                )
                continue
            files.append(folder / name)
    remarks = tuple(_remarks(artifacts, names))
    return ArtifactFiles(folder=folder, files=tuple(files), remarks=remarks, damaged=tuple(damaged))


def _remarks(artifacts: Sequence[_Artifact], names: Sequence[str]) -> Iterator[str]:
    renamed: dict[str, list[str]] = {}
    for artifact, name in zip(artifacts, names, strict=True):
        if name != f"{artifact.model}-{artifact.format}.tflite":
            renamed.setdefault(artifact.model, []).append(name)
    for model, its_names in renamed.items():
        yield f'model "{model}" is in {quoted(its_names)}: its own name is no file name, or another one\'s as well'


def _name(store: StoreReader, blob: str, path: Path) -> None:
    """Another name of the blob's file, or a copy on a file system that has no such names."""
    source = store.blob_path(blob)
    if not source.is_file():
        raise Damaged(blob)
    if path.exists() and not path.is_symlink() and path.samefile(source):
        return
    part = path.with_name(f".part-{secrets.token_hex(8)}")
    try:
        try:
            os.link(source, part)
        except OSError:
            shutil.copyfile(source, part)
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink()


def _copy(store: StoreReader, blob: str, path: Path) -> None:
    content = store.read_blob(blob)
    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return
        raise ConfigError(f'"{path}": it is there already, and it is another file', hint="--out with another folder")
    write_atomically(path, content)
