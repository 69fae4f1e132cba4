"""Latency stage: one artifact on one device with one number of threads, in a process of its own.

A round is short, and there are several; a sustained measurement goes on for minutes, once, to see what heat does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.devices.client import measure
from harness.devices.measured_inputs import FileInputs, InputRequest
from harness.devices.runtime_choice import runtime_of
from harness.devices.sustained import measure_sustained
from harness.experiment.schema import LatencyTable
from harness.stages.context import Progress, RunContext, as_fraction, device_of
from harness.store.units import Outcome, Unit


def plan(conversion: Unit, device: dict[str, Any], protocol: LatencyTable, *, num_threads: int, round_: int) -> Unit:
    spec = {**_spec(conversion, device, protocol, num_threads), "round": round_}
    if protocol.energy:
        spec["protocol"]["energy"] = True
    return Unit(kind="latency", spec=spec, needs={"conversion": conversion.key})


def plan_sustained(conversion: Unit, device: dict[str, Any], protocol: LatencyTable) -> Unit:
    """With the first number of threads: there is time for one."""
    spec = _spec(conversion, device, protocol, protocol.threads[0])
    spec["sustained_s"] = protocol.sustained_s
    return Unit(kind="latency", spec=spec, needs={"conversion": conversion.key})


def _spec(conversion: Unit, device: dict[str, Any], protocol: LatencyTable, num_threads: int) -> dict[str, Any]:
    pinned = {"cpus": protocol.cpus} if protocol.cpus else {}
    return {
        "model": conversion.spec["model"],
        "format": conversion.spec["format"],
        "device": device,
        "runtime": device["runtime"],
        "num_threads": num_threads,
        "protocol": {"min_runs": protocol.min_runs, "min_seconds": protocol.min_seconds, **pinned},
    }


def _inputs(artifact: Path, name: str) -> dict[str, Any]:
    """What a file is measured on of which nobody knows how images become its input. Raises ConfigError where it leaves
    open what a person must say."""
    where = f'model "{name}"'
    return FileInputs(artifact.read_bytes(), signature=None, where=where).measured(InputRequest()).record


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec = unit.spec
    artifact = context.artifact(unit.needs["conversion"])
    what = device_of(spec), artifact
    how = {
        "preprocessing": spec["model"]["preprocessing"] or None,  # none: its inputs are random
        "inputs": None if spec["model"]["preprocessing"] else _inputs(artifact, spec["model"]["name"]),
        "num_threads": spec["num_threads"],
        "protocol": spec["protocol"],
        "runtime": runtime_of(spec["device"]),
        "on_progress": as_fraction(progress),
    }
    if "sustained_s" in spec:
        return Outcome(result=measure_sustained(*what, seconds=spec["sustained_s"], **how))
    return Outcome(result=measure(*what, **how))
