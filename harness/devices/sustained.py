"""Burst against sustained speed: one long measurement, and whether the device keeps up what it shows at first."""

from __future__ import annotations

import dataclasses
import itertools
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.devices import jobs
from harness.devices.base import Device
from harness.devices.verdict import SUSTAINED_RULES, judge

BURST_S = 10.0  # the speed of the first ten seconds is what a short benchmark would report
SUSTAINED_SHARE = 0.2  # the speed of the last fifth is what the board can keep up
SHORTEST_S = 15.0  # the last fifth begins after the burst
RANKING_MARGIN = 0.05  # artifacts closer than this are equally fast: two rounds of one artifact may differ as much
_UNITS_S = {"s": 1, "min": 60, "h": 3600}


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

    how  what jobs.measure takes. Heat and a falling clock are what is looked for here, and no fault of the record.
    """
    record = jobs.measure(device, artifact, protocol=sustained_protocol(seconds, **protocol), **how)
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


def ranking_changed(results: Mapping[str, Sustained]) -> bool:
    """Whether an artifact that was clearly faster than another at first is clearly slower once the board is warm."""
    return any(
        _clearly_less(one.burst_ns, other.burst_ns) and _clearly_less(other.sustained_ns, one.sustained_ns)
        for one, other in itertools.permutations(results.values(), 2)
    )


def _clearly_less(one: float, other: float) -> bool:
    return one * (1 + RANKING_MARGIN) < other


def sustained_seconds(text: str) -> float:
    """ "30min" -> 1800.0. Raises ValueError with what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h)", text)
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if seconds < SHORTEST_S:
        raise ValueError(f'a duration such as "30min", "{SHORTEST_S:g}s" at least')
    return seconds
