"""Saliency maps as grids of pictures: what is on the page, what is missing, and what to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.data.view import RunView
from reports.drawing.colours import css_gradients
from reports.drawing.thumbnails import STEPS
from reports.sections.grids import grids
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    if not run.view.of_kind("saliency"):
        return None
    return {
        "pictures": grids(run.view),
        "pseudo_gradients": _pseudo_gradients(run.view),
        "missing_maps": _missing_maps(run.view),
        "steps": STEPS,
        "gradients": css_gradients(),
    }


def _pseudo_gradients(view: RunView) -> dict[str, list[str]]:
    """Per group of models, the methods that went through their pseudo-gradient."""
    models: dict[str, list[str]] = {}
    for unit in view.of_kind("saliency"):
        if unit.result.get("pseudo_gradient"):
            models.setdefault(view.method_labels[unit.key], []).append(unit.spec["model"]["name"])
    groups: dict[str, list[str]] = {}
    for label, names in models.items():
        groups.setdefault(", ".join(names), []).append(label)
    return groups


def _missing_maps(view: RunView) -> list[dict[str, Any]]:
    """The maps that are not on the page, and why."""
    missing = []
    for unit in view.of_kind("saliency"):
        what = {"label": view.method_labels[unit.key], "model": unit.spec["model"]["name"]}
        if unit.status != "done":
            missing.append({**what, "status": unit.status, "reason": view.reason(unit)})
        missing += [
            {**what, "status": "damaged", "reason": f"its file blobs/{blob} {view.damage.blobs[blob]}"}
            for part in view.parts(unit)
            for blob in (part.result.get("blob"), view.needed(part, "images").result.get("blob"))
            if blob is not None and blob in view.damage.blobs
        ]
    return missing
