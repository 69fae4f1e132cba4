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
            yield _of_ratio(axis, row, other) if axis.ratio else _of_difference(axis, row, other)
    if row["flatbuffer_bytes"] and other["flatbuffer_bytes"]:
        yield from _of_size(row["flatbuffer_bytes"] / other["flatbuffer_bytes"])


def _of_ratio(axis: Axis, row: Row, other: Row) -> str:
    lead = axis.lead(row, other)
    times = f"{_times(math.exp(-lead.value))} times the {axis.name}"
    if lead.low is None or lead.high is None:
        return f"{times} (no interval: too few runs)"
    within = f"({_times(math.exp(-lead.high))} to {_times(math.exp(-lead.low))})"
    return f"{times} {within}" if _is_clear(axis, row, other) else f"no clear difference in {axis.name} {within}"


def _of_difference(axis: Axis, row: Row, other: Row) -> str:
    """Of fractions in percentage points; of scores as they are. A plus is better, whatever the score's direction."""
    lead = axis.lead(row, other)
    scale, digits, unit = (100, 1, " points of top-1") if axis.value == "top1" else (1, 3, f" of {axis.name}")
    gain = f"{scale * lead.value:+.{digits}f}{unit}"
    if lead.low is None or lead.high is None:
        return f"{gain} (no interval: too few images)"
    within = f"({scale * lead.low:+.{digits}f} to {scale * lead.high:+.{digits}f})"
    return f"{gain} {within}" if _is_clear(axis, row, other) else f"no clear difference in {axis.name} {within}"


def _is_clear(axis: Axis, row: Row, other: Row) -> bool:
    return axis.clearly_better(row, other) or axis.clearly_better(other, row)


def _of_size(ratio: float) -> Iterator[str]:
    if ratio > 1 + SAME_SIZE:
        yield f"{_times(ratio)} times the size"
    elif ratio < 1 / (1 + SAME_SIZE):
        yield f"{_times(1 / ratio)} times smaller"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"
