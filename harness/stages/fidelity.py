"""Fidelity stage: every artifact is compared with its Keras model on real images, on this host."""

from __future__ import annotations

from dataclasses import asdict

from converters import FORMATS
from converters.fidelity import compare
from harness.devices import predict
from harness.stages.on_device import artifact_of, as_share, device_of
from harness.store import Outcome, Unit
from harness.workshop import Progress, Workshop

IMAGES = 64


def plan(conversion: Unit, images: Unit) -> Unit:
    spec = {
        "model": conversion.spec["model"],
        "format": conversion.spec["format"],
        "conversion": conversion.key,
        "images": images.key,
    }
    return Unit(kind="fidelity", spec=spec)


def perform(unit: Unit, workshop: Workshop, progress: Progress) -> Outcome:
    spec = unit.spec
    images = workshop.images(spec["images"])
    deployed = predict(
        device_of(spec),
        artifact_of(spec, workshop),
        images.pixels,
        preprocessing=spec["model"]["preprocessing"],
        on_progress=as_share(progress),
    )
    fidelity = compare(workshop.scores(spec["model"]["name"], images.pixels), deployed.scores)
    status, reason = fidelity.verdict(suspect_below=FORMATS[spec["format"]].suspect_below)
    result = {**asdict(fidelity), "status": status, "reason": reason, "runtime": deployed.runtime}
    return Outcome(result=result)
