"""Devices: ways to start the agent (`device/`) somewhere, and what the host asks of it once it runs.

It does not know models, formats, the store or the plan of work; `harness/run.py` and the command line call it.

    make_device(row) -> Device      a row of the experiment's [[device]] table
    predict(device, artifact, images, ...) -> PredictResult
    perturb(device, artifact, ...) -> scores along insertion or deletion curves
    measure(device, artifact, ...) -> dict        one round, in one fresh process
"""

from __future__ import annotations

from harness.devices.base import Device, make_device
from harness.devices.faults import AgentError, AgentLost, ConnectionCut, DeadlinePassed, Unreachable
from harness.devices.jobs import PredictResult, energy, hello, measure, perturb, predict, profile
from harness.devices.session import Session

__all__ = [
    "AgentError",
    "AgentLost",
    "ConnectionCut",
    "DeadlinePassed",
    "Device",
    "PredictResult",
    "Session",
    "Unreachable",
    "energy",
    "hello",
    "make_device",
    "measure",
    "perturb",
    "predict",
    "profile",
]
