"""What `bitlens bench` is told of models, formats and inputs, as the rest of the harness takes it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from converters import FORMATS
from device.flatbuffer import MOST_BYTES
from device.text import printable
from harness.devices.measured_inputs import InputRequest
from harness.devices.runtime_choice import RuntimeChoice, chosen
from harness.errors import BitlensError, ConfigError, nearest, shown
from harness.execution.latency_artifacts import LatencyArtifact, artifacts_of, check_formats, formats_of, model_of
from harness.models.catalogue import CATALOGUE, Model
from harness.regular_files import open_regular
from harness.saying import say

MOST_ELEMENTS = 2**31 - 1  # of a tensor
FLATBUFFERS, MARK = (".tflite", ".lite"), b"TFL3"  # by name, and by the bytes 4 to 8
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is to be timed, by the names that results go by, in order: files, and why others are not there."""

    names: tuple[str, ...]
    files: dict[str, Path]
    notes: dict[str, str]
    failures: dict[str, BitlensError]


def targets(names: Sequence[str], formats: Sequence[str], request: InputRequest) -> Targets:
    """Flatbuffers as they are, models converted. Raises ConfigError before anything is converted where a name means
    nothing, or a format fits no model."""
    check_formats(formats)
    names = list(dict.fromkeys(names))
    for name in names:
        _check_exists(name)
    size = _image_size(request)
    models = {name: model_of(name, size=size) for name in names if not is_flatbuffer(name)}
    if formats and not models:
        raise ConfigError("--format: expected a model to convert, got flatbuffers alone, which are what they are")
    for name, model in models.items():
        if name in CATALOGUE:
            formats_of(model, formats)
    artifacts = [
        artifact
        for name in names
        for artifact in (_converted(models[name], formats) if name in models else [_as_it_is(name)])
    ]
    return Targets(
        names=tuple(dict.fromkeys(artifact.name for artifact in artifacts)),
        files={artifact.name: artifact.path for artifact in artifacts if artifact.path is not None},
        notes={artifact.name: artifact.note for artifact in artifacts},
        failures={artifact.name: artifact.failure for artifact in artifacts if artifact.failure is not None},
    )


def _converted(model: Model, formats: Sequence[str]) -> list[LatencyArtifact]:
    """In the formats that fit it; which do not is said. A file that is no model costs itself alone."""
    try:
        fitting = formats_of(model, formats)
        left = [name for name in formats if name not in fitting]
        if left:
            say(f"{model.name}: {', '.join(left)} left out, which is for {_takers(left)} models alone")
        return artifacts_of(model, fitting)
    except ConfigError as error:
        return [LatencyArtifact(name=model.weights, note="", path=None, failure=error)]


def _takers(formats: Sequence[str]) -> str:
    return " and ".join(sorted({family for name in formats for family in FORMATS[name].families}))


def _as_it_is(name: str) -> LatencyArtifact:
    return LatencyArtifact(name=name, note="", path=Path(name))


def is_flatbuffer(name: str) -> bool:
    """By its content; what is called one is one, however broken."""
    path = Path(name)
    if name in CATALOGUE or path.is_dir():
        return False
    if path.suffix in FLATBUFFERS:
        return True
    try:
        with open_regular(path, where=name, at_most=MOST_BYTES) as file:
            return file.read(8)[4:] == MARK
    except ConfigError:
        return False


def _check_exists(name: str) -> None:
    if name in CATALOGUE or Path(name).exists():
        return
    if Path(name).suffix or "/" in name:
        raise ConfigError(f'found no file "{printable(name)}"')
    problem = f'expected a file or a model of the catalogue, got "{printable(name)}"'
    raise ConfigError(problem, hint=f"{nearest(name, CATALOGUE)}; `bitlens list models` shows all")


def _image_size(request: InputRequest) -> tuple[int, int] | None:
    """The size of images for a Keras file that leaves it open."""
    shape = request.shapes.get("", ())
    return (shape[1], shape[2]) if len(shape) == 4 else None


def runtime(*, options: Sequence[str], **said: Any) -> RuntimeChoice:
    """The options --runtime, --delegate, --delegate-option and so on. Raises ConfigError."""
    pairs: dict[str, str] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ConfigError(f"--delegate-option: expected KEY=VALUE, got {shown(text)}")
        if key in pairs:
            raise ConfigError(f"--delegate-option: two values for {shown(key)}", hint="one of them")
        pairs[key] = value
    return chosen({**said, "options": pairs}, folder=Path.cwd(), where=None)


def for_main_graph(runtime: RuntimeChoice, *, profile: bool) -> str:
    """The option that is for the main graph of a file alone, and for no other signature of it; "" for none."""
    asked = {
        "--weight-cache": runtime.weight_cache,
        "--accelerator": runtime.accelerator is not None,
        f"--runtime {runtime.base}": runtime.base == "larq-compute-engine",
        "--profile": profile,
    }
    return next((option for option, is_there in asked.items() if is_there), "")


def input_request(
    signature: str | None, shapes: Sequence[str], ranges: Sequence[str], file: Path | None
) -> InputRequest:
    """The options --signature, --input-shape, --input-range and --input. Raises ConfigError."""
    return InputRequest(
        signature=signature,
        shapes=_named("--input-shape", shapes, _shape),
        ranges=_named("--input-range", ranges, _range),
        arrays=_arrays(file) if file is not None else {},
    )


def _named(option: str, texts: Sequence[str], parse: Callable[[str], Value | None]) -> dict[str, Value]:
    """ "ids=1x128" -> {"ids": (1, 128)}; without a name, of the one input that there is."""
    values: dict[str, Value] = {}
    for text in texts:
        name, _, said = text.rpartition("=")
        value = parse(said)
        if value is None:
            raise ConfigError(f"{option}: expected {_EXPECTED[option]}, got {shown(text)}")
        if name in values:
            raise ConfigError(f"{option}: two values for {shown(name) if name else 'the input'}", hint="one of them")
        values[name] = value
    return values


_EXPECTED = {
    "--input-shape": "sizes such as 1x224x224x3 or ids=1x128, 2^31 values at most",
    "--input-range": "the least number and the one that is too great, such as 0:1000 or ids=0:1000",
}


def _shape(text: str) -> tuple[int, ...] | None:
    if not re.fullmatch(r"[1-9]\d{,9}(x[1-9]\d{,9})*", text):
        return None
    sizes = tuple(int(size) for size in text.split("x"))
    return sizes if math.prod(sizes) <= MOST_ELEMENTS else None


def _range(text: str) -> tuple[float, float] | None:
    low, _, high = text.partition(":")
    try:
        pair = _number(low), _number(high)
    except ValueError:
        return None
    return pair if all(map(math.isfinite, pair)) and pair[0] < pair[1] else None


def _number(text: str) -> float:
    """An integer as it is: a float would round those above 2**53."""
    return int(text) if re.fullmatch(r"\s*[+-]?\d{1,20}\s*", text) else float(text)


def _arrays(path: Path) -> dict[str, Any]:
    from harness.datasets.npz import read_arrays

    return read_arrays(path, where="--input")
