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
SUSTAINED_FRACTION = 0.2  # the speed of the last fifth is what the board can keep up


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
    """The record of one round that goes on for so long; its `sustained` is None where the round broke off.

    how  what client.measure takes. Heat and a falling clock are what this looks for, and not a fault of the record.
    """
    record = client.measure(device, artifact, protocol=sustained_protocol(seconds, **protocol), **how)
    speeds = sustained(record["samples_ns"], record["circumstances"]["during"])
    validity = judge(record, rules=SUSTAINED_RULES)
    return {**record, **validity.as_fields(), "sustained": dataclasses.asdict(speeds) if speeds else None}


def sustained_protocol(seconds: float, **protocol: Any) -> dict[str, Any]:
    """A latency protocol that goes on for so long."""
    return {**protocol, "min_seconds": seconds, "max_seconds": seconds, "max_runs": 100_000_000}


def sustained(samples_ns: Sequence[int], sensors: Sequence[Mapping[str, Any]]) -> Sustained | None:
    """Burst against sustained speed of one long measurement; None when it was not longer than the burst.

    sensors  the record's `during`: about once a second, which `run` came next and what `monotonic_ns` it was. The
             latencies alone do not add up to the time: a tiny model spends most of it in between its inferences.
    """
    seconds = [(sample["monotonic_ns"] - sensors[0]["monotonic_ns"]) / 1e9 for sample in sensors]
    if not seconds or seconds[-1] <= BURST_S:
        return None
    burst_end = next(s["run"] for s, at in zip(sensors, seconds) if at >= BURST_S)
    last_start = next(s["run"] for s, at in zip(sensors, seconds) if at >= seconds[-1] * (1 - SUSTAINED_FRACTION))
    return Sustained(
        burst_ns=statistics.median(samples_ns[: max(burst_end, 1)]),
        sustained_ns=statistics.median(samples_ns[min(last_start, len(samples_ns) - 1) :]),
        seconds=seconds[-1],
    )
