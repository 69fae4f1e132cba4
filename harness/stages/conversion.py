"""Conversion stage: one artifact for every model and format that fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters import FORMATS, TFLITE
from converters.contents import contents
from device.preprocessing import preprocess
from device.runtimes import LCE_OPERATORS
from harness.errors import ConversionError
from harness.models.catalogue import Model
from harness.registry import resolve
from harness.stages.context import Progress, RunContext
from harness.store.units import Outcome, Unit

VERSIONS = ("tensorflow-cpu", "tensorflow", "tf-keras", "keras", "larq", "larq-zoo")  # what every artifact depends on


def plan(model: Model, format_name: str, *, calibration: Unit | None) -> Unit:
    """The unit that makes the artifact; calibrated formats build on a set of training images."""
    depends_on = () if format_name == TFLITE else (*VERSIONS, *FORMATS[format_name].packages)
    spec = {
        "model": model.spec(),
        "architecture": model.build or "file",
        "format": format_name,
        "recipe": FORMATS[format_name].recipe,
        "versions": {name: _version(name) for name in depends_on},
    }
    return Unit(kind="conversion", spec=spec, needs={"calibration": calibration.key} if calibration else {})


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    from converters import ConversionError as Refused

    name, format_name = unit.spec["model"]["name"], unit.spec["format"]
    if format_name == TFLITE:
        return _finished(unit, context)
    spec = FORMATS[format_name]
    try:
        content = _content(unit, context)
        unrestricted = spec.unrestricted_if and resolve(spec.unrestricted_if)(context.keras_model(name))
        restriction = "" if unrestricted else spec.restriction
    except Refused as error:
        raise ConversionError(f'model "{name}" as {format_name}: {error}', hint=error.hint) from error
    return Outcome(
        result={
            "blob": _saved(content, unit, context),
            "flatbuffer_bytes": len(content),
            "operators": spec.operators,
            "latency_only": bool(restriction),
            "mark": restriction,
            "note": "; ".join(_notes(content, unit, restriction)),
            "calibration": _calibration_record(unit, context),
            "contents": asdict(contents(content)),
            "peak_rss_bytes": _peak_rss_bytes(),
        }
    )


def _finished(unit: Unit, context: RunContext) -> Outcome:
    """A flatbuffer of the user's own: its bytes, as they were when the run was planned."""
    model = context.own_model(unit.spec["model"]["name"])
    content = Path(model.weights).read_bytes()
    if model.spec() != unit.spec["model"]:
        raise ConversionError(f'model "{model.name}": "{model.weights}" changed since the run was planned')
    summary = contents(content)
    is_lce = any(name.startswith(LCE_OPERATORS) for name in summary.custom_operators)
    restriction = f"latency only: {model.unscored}" if model.unscored else ""
    return Outcome(
        result={
            "blob": _saved(content, unit, context),
            "flatbuffer_bytes": len(content),
            "operators": "lce" if is_lce else "builtin",
            "latency_only": bool(restriction),
            "mark": restriction,
            "note": "; ".join(_notes(content, unit, restriction)),
            "calibration": None,
            "contents": asdict(summary),
            "peak_rss_bytes": None,
        }
    )


def _notes(content: bytes, unit: Unit, restriction: str) -> Iterator[str]:
    """What the reader of the artifact must know, by its format and by its input."""
    from converters.input_range import tied_levels

    spec = FORMATS[unit.spec["format"]]
    if spec.note and (said := resolve(spec.note)(content)):
        yield said
    if restriction:
        return
    levels = pixel_levels(unit.spec["model"]["preprocessing"])
    if tied := tied_levels(content, levels):
        yield (
            f"{tied} of {levels.size} pixel values lie halfway between two steps of the int8 input: "
            "how they are rounded may differ between runtimes"
        )


def pixel_levels(record: dict[str, Any]) -> NDArray[np.float64]:
    """(256, C): the input for each pixel value of each channel."""
    mean, scale = np.asarray(record["mean"], float), np.asarray(record["scale"], float)
    levels: NDArray[np.float64] = (np.arange(256.0)[:, None] - mean) * scale
    return levels


def _content(unit: Unit, context: RunContext) -> bytes:
    spec = FORMATS[unit.spec["format"]]
    finish = resolve(spec.finish) if spec.finish else bytes
    content: bytes = finish(_unfinished(unit, context) or _converted(unit, context))
    return content


def _converted(unit: Unit, context: RunContext) -> bytes:
    convert = resolve(FORMATS[unit.spec["format"]].convert)
    content: bytes = convert(context.keras_model(unit.spec["model"]["name"]), _calibration(unit, context))
    return content


def helped_by(unit: Unit) -> list[str]:
    """The conversion to the format that differs in its finish only: calibration takes minutes."""
    spec = FORMATS[unit.spec["format"]]
    sibling = next(
        (name for name, other in FORMATS.items() if other.convert == spec.convert and not other.finish), None
    )
    return [replace(unit, spec={**unit.spec, "format": sibling}).key] if spec.finish and sibling else []


def _unfinished(unit: Unit, context: RunContext) -> bytes | None:
    """The artifact of that format, if it is there."""
    for key in helped_by(unit):
        if context.store.finished().get(key) == "done":
            return context.store.read_blob(context.result(key).result["blob"])
    return None


def _saved(content: bytes, unit: Unit, context: RunContext) -> str:
    try:
        return context.store.save_blob(content)
    except OSError as error:
        raise ConversionError(
            f'model "{unit.spec["model"]["name"]}" as {unit.spec["format"]}: '
            f"the artifact of {len(content)} bytes could not be written ({error.strerror})",
            hint="--out with a folder on a disk that has room",
        ) from error


def _calibration(unit: Unit, context: RunContext) -> Any:
    from converters.tflite import Calibration

    if "calibration" not in unit.needs:
        return None
    images = context.images(unit.needs["calibration"])
    record = unit.spec["model"]["preprocessing"]

    def representative() -> Iterator[Any]:
        """One image at a time: 200 of 224 x 224 as floats would take 120 MB."""
        return (preprocess(pixels[None], record)[0] for pixels in images.pixels)

    return Calibration(images=representative, levels=pixel_levels(record))


def _calibration_record(unit: Unit, context: RunContext) -> dict[str, Any] | None:
    """How many training images, and the hash of their pixels."""
    if "calibration" not in unit.needs:
        return None
    result = context.result(unit.needs["calibration"]).result
    return {"images": len(result["images"]), "sha256": result["blob"]}


def _peak_rss_bytes() -> int:
    """The most memory that this process has had so far. A model's formats share a process: an upper bound."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
