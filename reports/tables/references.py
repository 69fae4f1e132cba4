"""What each artifact is compared with: its Keras model, another model of the run, or nothing."""

from __future__ import annotations

from typing import Any

from harness.store import StoredUnit
from reports.data.view import RunView

FIDELITY = ("top1_agreement", "max_abs_score_difference", "mean_abs_score_difference", "rank_correlation")
NO_REFERENCE = "no reference"
OF_ONES_OWN = "tflite"  # the format of flatbuffers that nobody converted here


def in_groups(view: RunView) -> list[str]:
    """The models in the order of the plan, each followed by those that are compared with it."""
    named = {
        check.spec["model"]["name"]: check.spec.get("reference", {}).get("name") for check in view.of_kind("fidelity")
    }
    place = {name: position for position, name in enumerate(view.models)}

    def path(name: str) -> list[int]:
        """From the model that a group begins with to this one."""
        steps = [name]
        while (other := named.get(steps[-1])) in place and other not in steps:
            steps.append(other)
        return [place[step] for step in reversed(steps)]

    return sorted(place, key=path)


def fidelity_facts(view: RunView, conversion: StoredUnit | None) -> dict[str, Any]:
    """How closely the artifact follows the Keras model; one that could not be compared is suspect."""
    for check in view.of_kind("fidelity"):
        if conversion is None or check.needs["conversion"] != conversion.key or check.status == "planned":
            continue
        reference = check.spec.get("reference", {}).get("name")
        if check.status == "failed":
            return {"reference": reference, "fidelity": "suspect", "fidelity_reason": check.reason}
        facts = {name: check.result[name] for name in FIDELITY}
        judged = {"fidelity": check.result["status"], "fidelity_reason": check.result["reason"]}
        return {"reference": reference, **facts, **judged}
    return {"fidelity_reason": NO_REFERENCE} if _has_no_reference(view, conversion) else {}


def _has_no_reference(view: RunView, conversion: StoredUnit | None) -> bool:
    """Whether nothing is planned to compare an artifact with, although its answers count."""
    if conversion is None or conversion.spec["format"] != OF_ONES_OWN or conversion.result.get("mark"):
        return False
    return all(check.needs["conversion"] != conversion.key for check in view.of_kind("fidelity"))
