"""The machines behind the devices of a run, in a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.store.units import StoredUnit
from reports.data.rounds import board_of
from reports.data.view import RunView, device_name


def machines(view: RunView) -> dict[str, str]:
    """By device: "Raspberry Pi 4 Model B, 4 CPUs, Debian GNU/Linux 12", for each that measured a latency."""
    told: dict[str, dict[str, None]] = {}
    for unit in view.of_kind("latency"):
        if unit.status == "done":
            told.setdefault(device_name(unit.spec), {})[", ".join(_facts(unit))] = None
    return {device: "; ".join(each) for device, each in told.items()}


def _facts(unit: StoredUnit) -> Iterator[str]:
    machine: Mapping[str, Any] = unit.result.get("machine") or {}
    yield board_of(machine)
    if machine.get("cpus"):
        yield f"{machine['cpus']} CPU{'' if machine['cpus'] == 1 else 's'}"
    if machine.get("system"):
        yield str(machine["system"])
    if unit.result["emulated"]:
        yield "emulated"
    elif machine.get("virtual_machine") or machine.get("container"):
        yield "a virtual machine" if machine.get("virtual_machine") else "in a container"
