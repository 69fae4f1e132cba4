"""Interleaving measurements, and what several rounds of them say together.

Drift of the machine, heat above all, must hit all artifacts alike: each round measures every artifact once, each in a
fresh process, in an order of its own. The order depends on (seed, round, item) and on nothing else.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BURST_S = 10.0  # the speed of the first ten seconds is what a short benchmark would report
SUSTAINED_SHARE = 0.2  # the speed of the last fifth is what the board can keep up


def interleaved(items: Sequence[str], *, rounds: int, seed: int) -> list[tuple[int, str]]:
    """(round, item) in measuring order: every item once in each round, shuffled anew by the seed."""
    return [
        (number, item)
        for number in range(rounds)
        for item in sorted(items, key=lambda item: hashlib.sha256(f"{seed} {number} {item}".encode()).digest())
    ]


def spread_between_processes(rounds: Sequence[Sequence[int]]) -> float | None:
    """(highest - lowest) median of the rounds over their middle one; None for a single round."""
    medians = [statistics.median(samples) for samples in rounds if samples]
    return (max(medians) - min(medians)) / statistics.median(medians) if len(medians) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """Median latency at first and in the end; `slowdown` is sustained over burst, 1 for a board that keeps up."""

    burst_ns: float
    sustained_ns: float
    seconds: float

    @property
    def slowdown(self) -> float:
        return self.sustained_ns / self.burst_ns


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
    """Whether the order of the artifacts, fastest first, is another one once the board is warm."""
    by_burst = sorted(results, key=lambda name: results[name].burst_ns)
    by_sustained = sorted(results, key=lambda name: results[name].sustained_ns)
    return by_burst != by_sustained


def sustained_protocol(seconds: float, **protocol: Any) -> dict[str, Any]:
    """A latency protocol that goes on for so long."""
    return {**protocol, "min_seconds": seconds, "max_seconds": seconds, "max_runs": 100_000_000}
