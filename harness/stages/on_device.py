"""What the stages that use a device share: which device, which artifact, and progress as a share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.devices import Device, make_device
from harness.workshop import Progress, Workshop

THIS_HOST = {"name": "this-host", "kind": "local"}


def device_of(spec: Mapping[str, Any]) -> Device:
    """The device of a unit; this host where the spec names none."""
    row = {key: value for key, value in spec.get("device", THIS_HOST).items() if key != "runtime"}
    return make_device(row)


def artifact_of(spec: Mapping[str, Any], workshop: Workshop) -> Path:
    """The flatbuffer that the unit's conversion made."""
    return workshop.store.blob_path(workshop.result(spec["conversion"]).result["blob"])


def as_share(progress: Progress) -> Callable[[Mapping[str, Any]], None]:
    """The agent counts things; a progress bar wants the share that is done. Nobody knows how long a warm-up takes."""
    return lambda report: progress(report["done"] / max(1, report["of"]) if "of" in report else 0.0)
