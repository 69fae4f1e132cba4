"""Examines a model file before anything of it is loaded, and gives a copy of what was examined to whoever loads it.

The work is done by `harness.models.examiner` in a process of its own: a file that makes a parser crash, hang or ask for
all memory ends that process, and is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.models.containers import TFLITE, container_of
from harness.models.origin import KERAS_SUFFIXES, Origin
from harness.models.refusals import Unreadable

PATIENCE = 600  # seconds of waiting for a slow disk; processor time is limited by the examiner itself
_ROOT = Path(__file__).parents[2]
_UNREADABLE = "a file that `model.save` wrote; weights alone need the architecture of a catalogue model"
_OTHERS = {
    ".tflite": "a flatbuffer has the mark TFL3 at byte 4: is the download complete?",
    ".onnx": "onnx2tf or a similar tool makes a Keras model of it",
    ".pt": "export it to ONNX, and that to Keras",
    ".pth": "export it to ONNX, and that to Keras",
    ".pb": "the folder of the SavedModel instead of a file in it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A model file that may be loaded.

    path          what to load: a copy that holds what was examined and nothing else, or the file of a trusted model.
    weight_bytes  of its arrays; None for a trusted model, of which nobody counted them.
    """

    path: Path
    origin: Origin
    weight_bytes: int | None


@contextmanager
def examined(name: str, path: Path, *, trusted: bool) -> Iterator[Examined]:
    """What may be loaded of a file or folder, as long as the `with` lasts.

    Raises ConfigError for one that is missing, no model, damaged, too large for what it is, or not on the list.
    """
    with _temporary_folder(name) as folder:
        verdict = _verdict(path, None if trusted else folder)
        _refuse(name, path, verdict)
        origin = Origin(**{field.name: verdict[field.name] for field in fields(Origin)})
        where = path if trusted else folder / verdict["copy"]
        yield Examined(path=where, origin=origin, weight_bytes=verdict.get("weight_bytes"))


def is_flatbuffer(path: Path) -> bool:
    """By its first bytes, whatever it is called."""
    try:
        return container_of(path) == TFLITE
    except (OSError, Unreadable):
        return False


def foreign_parts(path: Path) -> tuple[str, ...]:
    """What in a model file is not on the list, in a few words each; nothing where its examination ends otherwise."""
    with _temporary_folder(path.name) as folder:
        return tuple(_verdict(path, folder).get("unsafe", ()))


@contextmanager
def _temporary_folder(name: str) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="bitlens-model-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ConfigError(f'model "{name}": no folder for temporary files ({error.strerror})', hint="TMPDIR") from error
    with folder as path:
        yield Path(path)


def _verdict(path: Path, target: Path | None) -> dict[str, Any]:
    """What the examiner says; a refusal where it says nothing."""
    if not os.path.exists(path):  # pathlib raises for names that are too long
        return {"missing": True}
    request = json.dumps({"path": str(path.absolute()), "target": str(target) if target else None})
    command = [sys.executable, "-P", "-m", "harness.models.examiner", request]
    paths = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]  # "" is the current folder
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # each thread would take address space
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=False)
        verdict = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"unreadable": f"examining it took longer than {PATIENCE} s"}
    except OSError as error:
        return {"unreadable": f"the process that examines it could not be started: {error.strerror}"}
    except ValueError:
        return {"unreadable": f"the process that examines it {_ending(done.returncode)}"}
    return verdict if isinstance(verdict, dict) else {"unreadable": "the process that examines it said nothing"}


def _ending(status: int) -> str:

    if status == -signal.SIGXCPU:
        return "took too long"
    if status < 0:
        return f"died of {signal.Signals(-status).name}: the file makes its parser crash"
    return "ended without a word"


def _refuse(name: str, path: Path, verdict: dict[str, Any]) -> None:
    """Raises ConfigError for whatever the verdict is, other than a model."""
    if "missing" in verdict:
        raise ConfigError(f'model "{name}" path: expected a model, found no file "{path}"')
    if "unsafe" in verdict:
        found = ", ".join(verdict["unsafe"]) + (f" and {verdict['more']} more" if verdict["more"] else "")
        raise ConfigError(
            f'model "{name}": "{path}" holds {found}: not on the list of what a model file may hold',
            hint="trusted = true in its [[model]] table or --trusted, if you know where the file comes from: its code "
            "then runs with your rights; custom layers need `module` as well",
        )
    if "unreadable" in verdict:
        raise unreadable(name, path, verdict["unreadable"])
    if verdict["container"] is None:
        raise _no_model(name, path)


def unreadable(name: str, path: Path, why: str) -> ConfigError:
    kind, hint = "Keras model", _UNREADABLE
    if os.path.exists(path / "saved_model.pb"):
        kind, hint = "SavedModel", "the whole folder as `model.export` wrote it"
    elif is_flatbuffer(path):
        kind, hint = "TFLite flatbuffer", "convert or download the file again"
    return ConfigError(f'model "{name}": "{path}" could not be read as a {kind} ({why})', hint=hint)


def _no_model(name: str, path: Path) -> ConfigError:
    if path.suffix in KERAS_SUFFIXES and path.is_file():
        return unreadable(name, path, "neither a zip file of Keras nor HDF5")
    return ConfigError(
        f'model "{name}" path: expected an .h5, .keras or .tflite file or a SavedModel folder, got "{path}"',
        hint=_OTHERS.get(path.suffix, 'save it with `model.save("model.keras")`'),
    )
