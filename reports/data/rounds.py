"""The rounds of one row together: what their latency is worth, and which board they are from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from reports.data.view import INVALID, SUSPECT, VALIDITY

SPREAD_SUSPECT = 0.10  # as harness.devices.validity has it, for those who measure without a run


def together(results: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The validity of rounds and every reason: that of the worst, and suspect where their medians differ too much."""
    worst = VALIDITY[max(VALIDITY.index(result["verdict"]) for result in results)]
    reasons = dict.fromkeys(reason for result in results for reason in result["verdict_reason"].split("; "))
    medians = [median(result["samples_ns"]) for result in results if result["samples_ns"]]
    spread = (max(medians) - min(medians)) / median(medians) if medians else 0.0
    doubts = [f"rounds differ: their medians by {spread:.0%}"] if spread > SPREAD_SUSPECT else []
    boards = list(dict.fromkeys(board_of(result["machine"]) for result in results if result.get("machine")))
    if len(boards) > 1:
        doubts.append(f"rounds of different boards: {', '.join(boards)}")
    if worst != INVALID and doubts:
        return SUSPECT, "; ".join(filter(None, [*doubts, *reasons]))
    return worst, "; ".join(filter(None, reasons))


def board_of(machine: Mapping[str, Any], *, boot: bool = False) -> str:
    """Model and revision of the machine, and which of its boots it was: what tells boards of one kind apart."""
    board = machine.get("board") or machine.get("cpu") or machine.get("architecture") or "unknown"
    revision = f" ({machine['revision']})" if machine.get("revision") else ""
    started = f", boot {machine['boot_id'][:8]}" if boot and machine.get("boot_id") else ""
    return f"{board}{revision}{started}"
