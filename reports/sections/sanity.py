"""Sanity checks: does a map depend on what it claims to explain?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.store import StoredUnit
from reports.data.stats import Interval, mean_interval
from reports.data.view import RunView
from reports.sections.records import Records


def sanity_checks(view: RunView) -> Records:
    """Units of kind `sanity`: a check of a method on a network, its mean over images, and whether it passed."""
    return [_sanity_record(view, unit) for unit in view.of_kind("sanity")]


def _sanity_record(view: RunView, unit: StoredUnit) -> dict[str, Any]:
    scores = view.scores(unit)
    found = mean_interval([score.value for score in scores if score.value is not None])
    undefined = sum(score.value is None for score in scores)
    rule, passes = SANITY[unit.spec["check"]]
    return {
        "model": unit.spec["model"]["name"],
        "method": view.method_labels.get(unit.needs["saliency"], unit.spec["method"]),
        "check": unit.spec["check"],
        "unit": unit.result.get("unit", ""),
        "value": found.value if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "rule": rule,
        "verdict": unit.status if unit.status != "done" else passes(found),
        "reason": view.reason(unit) or (f"{undefined} of {len(scores)} images undefined" if undefined else ""),
    }


def _stays_below(limit: float) -> Callable[[Interval | None], str]:
    def verdict(found: Interval | None) -> str:
        if found is None or found.low is None or found.high is None:
            return "unclear"
        return "passed" if found.high < limit else "failed" if found.low > limit else "unclear"

    return verdict


def _rises(found: Interval | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "unclear"
    return "passed" if found.low > 0 else "failed" if found.high < 0 else "unclear"


STILL_ALIKE = 0.5  # rank correlation: maps that agree more than this look alike to a reader
SANITY: dict[str, tuple[str, Callable[[Interval | None], str]]] = {
    "parameter_randomisation": (f"rank correlation below {STILL_ALIKE}", _stays_below(STILL_ALIKE)),
    "data_randomisation": (f"rank correlation below {STILL_ALIKE}", _stays_below(STILL_ALIKE)),
    "emprt": ("the map's entropy rises", _rises),
}
