"""Percentiles that a sample can support, and how sure they are. Nearest rank; no distribution is assumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# With n samples the largest lies above the q-quantile with probability 1 - q**n; 95 % needs 5, 29 and 299 of them.
NEEDED_SAMPLES = {50: 5, 90: 29, 99: 299}
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """A nearest-rank percentile with a 95 % interval of order statistics. Integer nanoseconds."""

    value: int
    low: int
    high: int


def percentile(samples_ns: Sequence[int], percent: int) -> Percentile | None:
    """None below the number of samples that supports it (NEEDED_SAMPLES)."""
    n, q = len(samples_ns), percent / 100
    if n < NEEDED_SAMPLES[percent]:
        return None
    ordered = sorted(samples_ns)
    low, high = _interval_ranks(n, q)
    return Percentile(value=ordered[math.ceil(q * n) - 1], low=ordered[low], high=ordered[high])


def _interval_ranks(n: int, q: float) -> tuple[int, int]:
    """Ranks (from 0) between which the q-quantile lies with CONFIDENCE: the binomial's tails, cut on each side."""
    counts = np.arange(n + 1)
    logs = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in counts])
    cumulative = np.cumsum(np.exp(logs + counts * math.log(q) + (n - counts) * math.log1p(-q)))
    tail = (1 - CONFIDENCE) / 2
    low = int(np.searchsorted(cumulative, tail, side="right")) - 1
    high = int(np.searchsorted(cumulative, 1 - tail, side="left"))
    return max(low, 0), min(high, n - 1)
