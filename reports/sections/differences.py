"""How one deployment differs from another, in words: each difference with its 95 % interval, or that there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from reports.sections.compromise import Axis, Row

SAME_SIZE = 0.05


def differences(row: Row, other: Row, axes: Sequence[Axis]) -> Iterator[str]:
    """A phrase for each axis of which both are known, and for the size of the artifact."""
    for axis in axes:
        if axis.known(row) and axis.known(other):
            yield _on(axis, row, other)
    if row["flatbuffer_bytes"] and other["flatbuffer_bytes"]:
        yield from _of_size(row["flatbuffer_bytes"] / other["flatbuffer_bytes"])


def _on(axis: Axis, row: Row, other: Row) -> str:
    lead = axis.lead(row, other)
    if lead.low is None or lead.high is None:
        return f"{_gain(axis, lead.value)} (no interval: too few {'runs' if axis.ratio else 'images'})"
    ends = (lead.high, lead.low) if axis.ratio else (lead.low, lead.high)
    within = f"({' to '.join(_number(axis, end) for end in ends)})"
    if axis.clearly_better(row, other) or axis.clearly_better(other, row):
        return f"{_gain(axis, lead.value)} {within}"
    unit = " points" if axis.value == "top1" else ""
    return f"no clear difference in {axis.name} {within.removesuffix(')')}{unit})"


def _gain(axis: Axis, lead: float) -> str:
    number = _number(axis, lead)
    if axis.ratio:
        return f"{number} times the {axis.name}"
    return f"{number} points of top-1" if axis.value == "top1" else f"{axis.name} {number}"


def _number(axis: Axis, lead: float) -> str:
    """Of a ratio in times, of fractions in percentage points, of scores as they are. A plus is better."""
    if axis.ratio:
        return _times(math.exp(-lead))
    return f"{100 * lead:+.1f}" if axis.value == "top1" else f"{lead:+.3f}"


def _of_size(ratio: float) -> Iterator[str]:
    if ratio > 1 + SAME_SIZE:
        yield f"{_times(ratio)} times the size"
    elif ratio < 1 / (1 + SAME_SIZE):
        yield f"{_times(1 / ratio)} times smaller"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
