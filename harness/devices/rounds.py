"""Interleaving measurements, and how far their rounds differ.

Drift of the machine, heat above all, must hit all artifacts alike: each round measures every artifact once, each in a
fresh process, in an order of its own. The order depends on (seed, round, item) and on nothing else.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence


def interleaved(items: Sequence[str], *, rounds: int, seed: int) -> list[tuple[int, str]]:
    """(round, item) in measuring order: every item once in each round, in an order that the seed decides."""
    return [
        (number, item)
        for number in range(rounds)
        for item in sorted(items, key=lambda item: hashlib.sha256(f"{seed} {number} {item}".encode()).digest())
    ]


def spread_between_processes(rounds: Sequence[Sequence[int]]) -> float | None:
    """(highest - lowest) median of the rounds over their middle one; None for a single round."""
    medians = [statistics.median(samples) for samples in rounds if samples]
    return (max(medians) - min(medians)) / statistics.median(medians) if len(medians) > 1 else None
