"""What delegates ran of an artifact, as rows say it, and which runtimes gave which types of operators to XNNPACK."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.store import StoredUnit
from reports.data.view import device_name

INT8, FLOAT = "int8", "float"


def delegation_facts(result: Mapping[str, Any]) -> dict[str, Any]:
    """What delegates ran of the artifact; nothing for a run that was measured before this was kept."""
    delegation = result.get("delegation") or {}
    taken, share = delegation.get("taken", {}), delegation.get("macs_share")
    outside = delegation.get("outside")
    return {
        "delegated": ", ".join(f"{name} {'some' if count is None else count}" for name, count in taken.items()),
        "operators": delegation.get("operators"),
        "operators_delegated": None if outside is None else delegation["operators"] - sum(outside.values()),
        "macs_delegated": share,
        "runtime_note": result.get("runtime_note"),
    }


def xnnpack_by_runtime(latencies: Iterable[StoredUnit]) -> list[dict[str, str]]:
    """One row per device and runtime: what its artifacts of each type showed, or nothing."""
    seen: dict[tuple[str, str], dict[str, set[bool]]] = {}
    for unit in latencies:
        delegation = unit.result.get("delegation") if unit.status == "done" else None
        if delegation is None:
            continue
        key = device_name(unit.spec), _runtime(unit.result)
        kind = INT8 if 2 * delegation["int8"] >= delegation["operators"] else FLOAT
        taken = delegation["taken"].get("XNNPACK", 0)
        seen.setdefault(key, {}).setdefault(kind, set()).add(taken is None or taken > 0)
    return [
        {"device": device, "runtime": runtime, **{kind: _with_xnnpack(kinds.get(kind)) for kind in (FLOAT, INT8)}}
        for (device, runtime), kinds in seen.items()
    ]


def _runtime(result: Mapping[str, Any]) -> str:
    name, base, version = result["runtime"], result.get("runtime_base"), result["runtime_version"]
    return f"{name}: {base} {version}" if base else f"{name} {version}"


def _with_xnnpack(seen: set[bool] | None) -> str:
    if not seen:
        return ""
    return "XNNPACK for some artifacts" if len(seen) > 1 else f"with{'' if True in seen else 'out'} XNNPACK"
