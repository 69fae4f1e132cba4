"""Burst against sustained speed: one long measurement, and whether the device keeps up what it shows at first."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.devices import client
from harness.devices.device import Device
from harness.devices.validity import SUSTAINED_RULES, judge

BURST_S = 10.0  # the speed of the first ten seconds is what a short benchmark would report
SUSTAINED_SHARE = 0.2  # the speed of the last fifth is what the board can keep up


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """Median latency at first and in the end; `slowdown` is sustained over burst, 1 for a board that keeps up."""

    burst_ns: float
    sustained_ns: float
    seconds: float

    @property
    def slowdown(self) -> float:
        return self.sustained_ns / self.burst_ns


def measure_sustained(
    device: Device, artifact: Path, *, seconds: float, protocol: Mapping[str, Any], **how: Any
) -> dict[str, Any]:
    """The record of one round that goes on for so long, with `sustained`: what it says, or None where it broke off.

    how  what client.measure takes. Heat and a falling clock are what is looked for here, and no fault of the record.
    """
    record = client.measure(device, artifact, protocol=sustained_protocol(seconds, **protocol), **how)
    found = sustained(record["samples_ns"], record["circumstances"]["during"])
    verdict = judge(record, rules=SUSTAINED_RULES)
    return {
        **record,
        "verdict": verdict.verdict,
        "verdict_reason": verdict.reason,
        "sustained": dataclasses.asdict(found) if found else None,
    }


def sustained_protocol(seconds: float, **protocol: Any) -> dict[str, Any]:
    """A latency protocol that goes on for so long."""
    return {**protocol, "min_seconds": seconds, "max_seconds": seconds, "max_runs": 100_000_000}


def sustained(samples_ns: Sequence[int], glances: Sequence[Mapping[str, Any]]) -> Sustained | None:
    """Burst against sustained speed of one long measurement; None when it was not longer than the burst.

    glances  the record's `during`: about once a second, which `run` came next and what `monotonic_ns` it was. They tell
             time where the samples cannot: a tiny network spends most of it in between its inferences.
    """
    seconds = [(glance["monotonic_ns"] - glances[0]["monotonic_ns"]) / 1e9 for glance in glances]
    if not seconds or seconds[-1] <= BURST_S:
        return None
    burst_end = next(g["run"] for g, at in zip(glances, seconds) if at >= BURST_S)
    last_start = next(g["run"] for g, at in zip(glances, seconds) if at >= seconds[-1] * (1 - SUSTAINED_SHARE))
    return Sustained(
        burst_ns=statistics.median(samples_ns[: max(burst_end, 1)]),
        sustained_ns=statistics.median(samples_ns[min(last_start, len(samples_ns) - 1) :]),
        seconds=seconds[-1],
    )
