"""Differences in an order that two calls share, as records of plain values, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from reports.comparing.gates import GateResult
from reports.comparing.runs import Difference

CHANGED = ("worse", "better")
VERDICTS = (*CHANGED, "no answer", "no clear difference", "not comparable")


def in_order(differences: Sequence[Difference]) -> list[Difference]:
    """By run, the changed ones first; then by deployment, and by measure as they were compared."""
    runs = list(dict.fromkeys(d.run for d in differences))
    return sorted(differences, key=lambda d: (runs.index(d.run), VERDICTS.index(d.verdict), _place(d)))


def _place(d: Difference) -> tuple[Any, ...]:
    return d.row.model, d.row.format, d.row.device, d.row.runtime, d.row.num_threads or 0, d.row.mode


def counts(differences: Sequence[Difference]) -> dict[str, int]:
    """How many have each verdict, in the order of VERDICTS; those that nobody has are left out."""
    found = Counter(d.verdict for d in differences)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def record(d: Difference) -> dict[str, Any]:
    """Values as they are stored: ns, bytes, fractions, a metric's own unit. `unit` is that of the change."""
    change = d.change
    return {
        "run": d.run,
        **d.row._asdict(),
        "measure": d.measure,
        "before": d.before,
        "after": d.after,
        "change": change.value if change else None,
        "change_low": change.low if change else None,
        "change_high": change.high if change else None,
        "unit": d.unit,
        "better": d.better,
        "verdict": d.verdict,
        "reason": d.reason,
    }


def gate_record(result: GateResult) -> dict[str, Any]:
    judged = record(result.difference) if result.difference else None
    return {"gate": result.gate.text, "outcome": result.outcome, "difference": judged}
