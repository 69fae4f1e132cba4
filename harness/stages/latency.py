"""Latency stage: one artifact on one device with one number of threads, in a process of its own."""

from __future__ import annotations

from typing import Any

from harness.devices import measure
from harness.experiment_file import LatencyTable
from harness.stages.on_device import artifact_of, as_share, device_of
from harness.store import Outcome, Unit
from harness.workshop import Progress, Workshop


def plan(conversion: Unit, device: dict[str, Any], protocol: LatencyTable, *, num_threads: int, round_: int) -> Unit:
    spec = {
        "model": conversion.spec["model"],
        "format": conversion.spec["format"],
        "conversion": conversion.key,
        "device": device,
        "runtime": device["runtime"],
        "num_threads": num_threads,
        "protocol": {"min_runs": protocol.min_runs, "min_seconds": protocol.min_seconds},
        "round": round_,
    }
    return Unit(kind="latency", spec=spec)


def perform(unit: Unit, workshop: Workshop, progress: Progress) -> Outcome:
    spec = unit.spec
    result = measure(
        device_of(spec),
        artifact_of(spec, workshop),
        preprocessing=spec["model"]["preprocessing"],
        num_threads=spec["num_threads"],
        protocol=spec["protocol"],
        runtime=spec["runtime"],
        on_progress=as_share(progress),
    )
    return Outcome(result=result)
