"""Artifacts of models by name, to be timed and for nothing else: no data set, no training, no download.

Latency does not depend on weights, so those that would have to be fetched are random, and int8 is calibrated on random
images. A process of its own converts, so that what TensorFlow takes of the memory is free again before anything is
timed. Artifacts stay in the cache, named by all that determines them.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from converters import BINARIZED, FORMATS, FULL_PRECISION
from device.files import claim_cache, matches, private_folder
from device.latency import random_images
from device.preprocessing import preprocess
from harness.errors import BitlensError, ConfigError, ConversionError, nearest
from harness.models.catalogue import CATALOGUE, Model
from harness.models.declared import Declared
from harness.models.lookup import named, own_file
from harness.native.build import cache_directory
from harness.registry import resolve
from harness.saying import say
from harness.stages import conversion
from harness.store.atomic_files import write_together
from harness.temporary import own_folder

CALIBRATION_IMAGES = 4
RECIPE = 1  # part of every artifact's name: raise it when this module makes others of the same model


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyArtifact:
    """A model in a format, and where it lies or why it could not be made. `note` says what its weights are."""

    name: str
    note: str
    path: Path | None
    failure: BitlensError | None = None


def model_of(name: str, *, size: tuple[int, int] | None) -> Model:
    """A model of the catalogue with weights that are here, or a file of the user's own. Raises ConfigError.

    size  height and width, for a file that leaves them open.
    """
    if name in CATALOGUE:
        return named(name, weights=None if CATALOGUE[name].weights == "trained" else "random")
    height, width = size or (None, None)
    return own_file(Path(name), Declared(height=height, width=width), output="", trusted=False, module=None)


def formats_of(model: Model, formats: Sequence[str]) -> list[str]:
    """Those of `formats` that fit the model; where none are named, lce for a binarized one and fp32 for others.

    Raises ConfigError where none fits.
    """
    if not formats:
        return ["lce" if _is_binarized(model) else "fp32"]
    family = BINARIZED if _is_binarized(model) else FULL_PRECISION
    fitting = [name for name in formats if family in FORMATS[name].families]
    if not fitting:
        known = [name for name, spec in FORMATS.items() if family in spec.families]
        problem = f'model "{model.name}" is {family}, and --format {",".join(formats)} is for others'
        raise ConfigError(problem, hint=f"--format {','.join(known)}")
    return fitting


def check_formats(formats: Sequence[str]) -> None:
    """Raises ConfigError for a format that does not exist."""
    known = [name for name, spec in FORMATS.items() if spec.convert]  # nothing is converted to a flatbuffer as it is
    for name in formats:
        if name not in known:
            raise ConfigError(f'--format: there is no format "{name}"', hint=nearest(name, known))


def artifacts_of(model: Model, formats: Sequence[str]) -> list[LatencyArtifact]:
    """The model in each format, from the cache or converted now; a format that fails holds up no other."""
    folder = _cache()
    paths = {name: folder / f"{_key(model, name)}.tflite" for name in formats}
    missing = {name: path for name, path in paths.items() if not _is_whole(path)}
    if missing:
        say(f"{_title(model)}: converting to {', '.join(missing)}")
    failures = _converted(model, missing) if missing else {}
    return [
        LatencyArtifact(
            name=f"{_title(model)} {name}",
            note=_note(model, name),
            path=None if name in failures else path,
            failure=failures.get(name),
        )
        for name, path in paths.items()
    ]


def keep(path: Path, content: bytes) -> None:
    """Write an artifact into the cache, its hash beside it, both closed to others whatever the umask says."""
    beside = path.with_suffix(".sha256")
    write_together({path: content, beside: hashlib.sha256(content).hexdigest()})
    for file in (path, beside):
        file.chmod(0o600)


def _is_whole(path: Path) -> bool:
    """Whether it is there as it was made: what a disk or a person altered is made again."""
    try:
        return matches(str(path), path.with_suffix(".sha256").read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return False


def _title(model: Model) -> str:
    return model.weights if model.declared is not None else model.name


def _note(model: Model, format_name: str) -> str:
    weights = {"random": "random weights", "trained": "trained weights"}.get(model.weights, "the weights of the file")
    ranges = ", int8 ranges of random images" if FORMATS[format_name].calibrated else ""
    return f"converted with {weights}{ranges}: for latency only"


def _is_binarized(model: Model) -> bool:
    from harness.models.safety import examined

    if model.declared is None:
        return model.family == BINARIZED
    with examined(model.name, Path(model.weights), trusted=model.trusted) as file:
        return file.origin.has_larq_layers


def _cache() -> Path:
    """A folder of ours alone: what lies there is sent to boards."""
    folder = cache_directory().parent
    try:
        return Path(private_folder(os.path.join(claim_cache(str(folder), adopt=True), "bench")))
    except OSError as error:
        raise BitlensError(f"the cache of artifacts: {error}", hint="XDG_CACHE_HOME with another folder") from error


def _key(model: Model, format_name: str) -> str:
    unit = conversion.plan(model, format_name, calibration=None)
    size = model.declared and (model.declared.height, model.declared.width)
    return hashlib.sha256(f"{RECIPE} {CALIBRATION_IMAGES} {size} {unit.key}".encode()).hexdigest()


def _converted(model: Model, paths: dict[str, Path]) -> dict[str, BitlensError]:
    """Write the artifacts; why not, by format."""
    spawn = multiprocessing.get_context("spawn")
    with own_folder() as folder:
        log = folder / "log"
        with ProcessPoolExecutor(1, mp_context=spawn, initializer=_write_to, initargs=(log,)) as process:
            try:
                failures = process.submit(_convert_all, model, paths, folder).result()
            except BrokenProcessPool:
                failures = dict.fromkeys(paths, (f"the process that converted it ended: {_last_line(log)}", ""))
    return {
        name: ConversionError(f"{_title(model)} {name}: {problem}", hint=hint)
        for name, (problem, hint) in failures.items()
    }


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "a crash, or a lack of memory")


# ----------------------------------------------------------------------------------- in the process that converts
def _write_to(log: Path) -> None:
    """What TensorFlow says while it converts is nobody's news, and stdout is for results."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)


def _convert_all(model: Model, paths: dict[str, Path], scratch: Path) -> dict[str, tuple[str, str]]:
    """(what went wrong, what to try) for formats that failed."""
    tempfile.tempdir = str(scratch)
    try:
        model, keras_model = _loaded(model)
    except BitlensError as error:
        return dict.fromkeys(paths, (str(error), ""))
    failures = {}
    unfinished = cache(lambda convert, calibrated: resolve(convert)(keras_model, _calibration(model, calibrated)))
    for name, path in paths.items():
        spec = FORMATS[name]
        try:
            if model.family not in spec.families:
                raise ConfigError(f"it is {model.family}, and the format is for {' and '.join(spec.families)} models")
            content = unfinished(spec.convert, spec.calibrated)
            keep(path, resolve(spec.finish)(content) if spec.finish else content)
        except Exception as error:  # converters raise their own, and TensorFlow all sorts
            failures[name] = (str(error) or type(error).__name__, getattr(error, "hint", ""))
    return failures


def _loaded(model: Model) -> tuple[Model, Any]:
    from harness.models.loading import load_model
    from harness.models.timed import load_to_time

    return (model, load_model(model)) if model.declared is None else load_to_time(model)


def _calibration(model: Model, calibrated: bool) -> Any:
    from converters.tflite import Calibration

    if not calibrated:
        return None
    record = model.preprocessing
    size = {"height": record["height"], "width": record["width"], "channels": len(record["mean"])}
    images = preprocess(random_images(CALIBRATION_IMAGES, seed=0, **size), record)
    return Calibration(images=lambda: iter(images), levels=conversion.pixel_levels(record))
