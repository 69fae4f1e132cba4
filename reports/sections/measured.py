"""How the run was made: models, artifacts, devices, seeds and the experiment file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.data.view import RunView
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts
from reports.tables.delegation import xnnpack_by_runtime
from reports.tables.device_facts import devices

NOTHING_MADE: Mapping[str, Any] = {"sha256": "", "parameters": None, "macs": {}, "macs_unknown": {}}


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    if not run.view.units:
        return None
    store = run.view.store
    return {
        "command": store.meta("command") or "",
        "experiment": store.meta("experiment") or "",
        "models": list(run.view.models.values()),
        "seeds": sorted({unit.spec["seed"] for unit in run.view.units if "seed" in unit.spec}),
        "artifacts": _artifacts(run.view),
        "runtimes": xnnpack_by_runtime(run.view.of_kind("latency")),
        "device_facts": devices(store).to_dict("records"),
    }


def _artifacts(view: RunView) -> list[dict[str, Any]]:
    return [
        {
            "model": unit.spec["model"]["name"],
            "format": unit.spec["format"],
            "versions": {name: value for name, value in unit.spec["versions"].items() if value},
            "reason": view.reason(unit),
            "is_there": view.has_blob(unit.result.get("blob")),
            **(_made(unit.result) if unit.status == "done" else NOTHING_MADE),
        }
        for unit in view.of_kind("conversion")
    ]


def _made(result: Mapping[str, Any]) -> dict[str, Any]:
    """The artifact, and its multiply-accumulates of one inference by arithmetic."""
    contents = result["contents"]
    macs = {name: count for name, count in contents["macs"].items() if count}
    unknown = contents.get("macs_unknown", {})  # older runs did not look
    return {"sha256": result["blob"], "parameters": contents["parameters"], "macs": macs, "macs_unknown": unknown}
