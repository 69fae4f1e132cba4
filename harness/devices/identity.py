"""Which board a result is from: model, revision and boot, by which two boards of one kind are told apart.

A serial number would say more, and would be published with the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_of(machine: Mapping[str, Any]) -> str:
    """ "Raspberry Pi 4 Model B Rev 1.4 (c03114)": what stays the same from boot to boot."""
    board = machine.get("board") or machine.get("cpu") or machine.get("architecture") or "unknown"
    return f"{board} ({machine['revision']})" if machine.get("revision") else str(board)


def identity(machine: Mapping[str, Any]) -> str:
    """ "Raspberry Pi 4 Model B Rev 1.4 (c03114), boot 3d7c66f4"."""
    boot = machine.get("boot_id")
    return f"{model_of(machine)}, boot {boot[:8]}" if boot else model_of(machine)
