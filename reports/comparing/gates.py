"""Conditions under which a comparison fails, for CI: `p50 > +5%`, `top1 < -1%`, `insertion_auc < -0.02`.

A gate fails when the whole 95 % interval of the change lies beyond its limit. When only the estimate does, it is
undecided and says so. When nothing can be said, for want of rounds or because two runs are not comparable, it fails as
well: a check that could not be made must not look like one that passed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reports.comparing.runs import PER_ROUND, POINTS, RELATIVE, Difference
from reports.errors import ReportError

_GATE = re.compile(r"\s*(?P<measure>[a-z]\w*)\s*(?P<sign>[<>])\s*(?P<limit>[+-]?\d+(\.\d+)?)\s*(?P<percent>%?)\s*$")
_MEASURES = (*PER_ROUND, "flatbuffer_bytes", "top1", "top5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """`measure` changed by more (`>`) or less (`<`) than `limit`, a fraction or a difference in a metric's own unit."""

    text: str
    measure: str
    sign: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """`outcome` is pass, fail, undecided or cannot judge."""

    gate: Gate
    difference: Difference | None
    outcome: str

    @property
    def breaks(self) -> bool:
        return self.outcome in ("fail", "cannot judge")


def parse_gate(text: str) -> Gate:
    """Raises ReportError, which shows the form, for anything else."""
    parts = _GATE.match(text)
    if not parts:
        raise ReportError(
            f'--fail-if "{text}": expected a measure, < or >, and a change',
            hint='"p50 > +5%", "top1 < -1%" (percentage points) or "insertion_auc < -0.02"',
        )
    measure, percent = parts["measure"], bool(parts["percent"])
    if percent != (measure in _MEASURES):
        form = "ends in %" if measure in _MEASURES else "is in the metric's own unit, without %"
        known = f"one of {', '.join(_MEASURES)}, or a metric"
        raise ReportError(f'--fail-if "{text}": a change of {measure} {form}', hint=known)
    limit = float(parts["limit"]) / (100 if percent else 1)
    return Gate(text=text.strip(), measure=measure, sign=parts["sign"], limit=limit)


def check_gates(gates: Sequence[Gate], differences: Sequence[Difference]) -> list[GateResult]:
    """Every gate against every difference of its measure; a gate without one cannot judge."""
    results = []
    for gate in gates:
        judged = [d for d in differences if d.measure.split("[")[0] == gate.measure]
        results += [GateResult(gate=gate, difference=d, outcome=_outcome(gate, d)) for d in judged] or [
            GateResult(gate=gate, difference=None, outcome="cannot judge")
        ]
    return results


def _outcome(gate: Gate, difference: Difference) -> str:
    change = difference.change
    if change is None or change.low is None or change.high is None:
        return "cannot judge"
    if gate.sign == ">":
        return "fail" if change.low > gate.limit else "undecided" if change.value > gate.limit else "pass"
    return "fail" if change.high < gate.limit else "undecided" if change.value < gate.limit else "pass"


def describe(result: GateResult) -> str:
    """One line: the outcome, the gate, the deployment, and the change."""
    if result.difference is None:
        return f"cannot judge  {result.gate.text}: no deployment has this measure in both runs"
    d = result.difference
    return f"{result.outcome:12}  {result.gate.text}: {row_text(d)} {d.measure} {change_text(d)}"


def row_text(difference: Difference) -> str:
    row = difference.row
    threads = f"{row.num_threads} thread{'' if row.num_threads == 1 else 's'}" if row.num_threads else ""
    words = (row.model, row.format, row.device and f"on {row.device}", row.runtime, threads)
    return " ".join(word for word in words if word)


def change_text(difference: Difference) -> str:
    change = difference.change
    if change is None:
        return f"not comparable: {difference.reason}"
    factor, unit = {RELATIVE: (100, " %"), POINTS: (100, " points")}.get(difference.unit, (1, ""))
    places = 3 if factor == 1 else 1
    value = f"{change.value * factor:+.{places}f}{unit}"
    if change.low is None or change.high is None:
        return f"{value} ({difference.reason or 'no interval'})"
    return f"{value} ({change.low * factor:+.{places}f} to {change.high * factor:+.{places}f})"
