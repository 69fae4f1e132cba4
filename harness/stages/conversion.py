"""Conversion stage: one artifact for every model and format that fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from converters import FORMATS
from device.preprocessing import preprocess
from harness.catalogue import Model
from harness.errors import ConversionError
from harness.store import Outcome, Unit
from harness.tables import resolve
from harness.workshop import Progress, Workshop

CALIBRATION_IMAGES = 200


def plan(model: Model, format_name: str, *, calibration: Unit | None) -> Unit:
    """The unit that makes the artifact; calibrated formats build on a set of training images."""
    spec = {
        "model": model.spec(),
        "format": format_name,
        "calibration": calibration.key if calibration else None,
        "versions": {name: _version(name) for name in ("tensorflow-cpu", "tensorflow", "larq-compute-engine")},
    }
    return Unit(kind="conversion", spec=spec)


def perform(unit: Unit, workshop: Workshop, progress: Progress) -> Outcome:
    from converters import ConversionError as Refused

    spec = FORMATS[unit.spec["format"]]
    name = unit.spec["model"]["name"]
    try:
        content = resolve(spec.convert)(workshop.keras_model(name), _calibration(unit, workshop))
    except Refused as error:
        raise ConversionError(f'model "{name}" as {unit.spec["format"]}: {error}') from error
    result = {
        "blob": workshop.store.save_blob(content),
        "flatbuffer_bytes": len(content),
        "operators": spec.operators,
        "latency_only": bool(spec.mark),
        "mark": spec.mark,
    }
    return Outcome(result=result)


def _calibration(unit: Unit, workshop: Workshop) -> Any:
    if unit.spec["calibration"] is None:
        return None
    images = workshop.images(unit.spec["calibration"])
    record = unit.spec["model"]["preprocessing"]

    def representative() -> Iterator[Any]:
        return iter(preprocess(images.pixels, record))

    return representative


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
