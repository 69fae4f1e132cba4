"""Sanity checks: does a map depend on what it claims to explain?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.store.units import StoredUnit
from reports.data.stats import Interval, mean_interval
from reports.data.view import RunView
from reports.sections.records import Records


def sanity_checks(view: RunView) -> Records:
    """Units of kind `sanity`: a check of a method on a model, its mean over images, and whether it passed."""
    return [_sanity_record(view, unit) for unit in view.of_kind("sanity")]


def _sanity_record(view: RunView, unit: StoredUnit) -> dict[str, Any]:
    scores = view.scores(unit)
    mean = mean_interval([score.value for score in scores if score.value is not None])
    undefined = sum(score.value is None for score in scores)
    rule, passes = SANITY.get(unit.spec["check"], NO_RULE)
    return {
        "model": unit.spec["model"]["name"],
        "method": view.method_labels[view.needed(unit, "saliency").key],
        "check": unit.spec["check"],
        "value": mean.value if mean else None,
        "low": mean.low if mean else None,
        "high": mean.high if mean else None,
        "rule": rule,
        "verdict": unit.status if unit.status != "done" else passes(mean),
        "reason": view.reason(unit) or (f"{undefined} of {len(scores)} images undefined" if undefined else ""),
    }


def _stays_below(limit: float) -> Callable[[Interval | None], str]:
    def verdict(mean: Interval | None) -> str:
        if mean is None or mean.low is None or mean.high is None:
            return "unclear"
        return "passed" if mean.high < limit else "failed" if mean.low > limit else "unclear"

    return verdict


def _rises(mean: Interval | None) -> str:
    if mean is None or mean.low is None or mean.high is None:
        return "unclear"
    return "passed" if mean.low > 0 else "failed" if mean.high < 0 else "unclear"


NO_RULE: tuple[str, Callable[[Interval | None], str]] = ("", lambda mean: "unclear")  # of a check that is new here
STILL_ALIKE = 0.5  # rank correlation: maps that agree more than this look alike to a reader
SANITY: dict[str, tuple[str, Callable[[Interval | None], str]]] = {
    "parameter_randomisation": (f"rank correlation below {STILL_ALIKE}", _stays_below(STILL_ALIKE)),
    "data_randomisation": (f"rank correlation below {STILL_ALIKE}", _stays_below(STILL_ALIKE)),
    "emprt": ("the map's entropy rises", _rises),
}
