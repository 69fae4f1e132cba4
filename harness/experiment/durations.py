"""Durations as people write them."""

from __future__ import annotations

import re

SHORTEST_S = 15.0  # the last fifth begins after the burst
LONGEST_S = 7 * 24 * 3600.0

_UNITS_S = {"s": 1, "min": 60, "h": 3600}


def sustained_seconds(text: str) -> float:
    """ "30min" -> 1800.0. Raises ValueError with what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h)", text)
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if seconds < SHORTEST_S:
        raise ValueError(f'a duration such as "30min", "{SHORTEST_S:g}s" at least')
    if seconds > LONGEST_S:
        raise ValueError(f'a duration such as "30min", "{LONGEST_S / 3600:g}h" at most')
    return seconds
