"""A unit of work in a few words, and what is damaged of a run as sentences."""

from __future__ import annotations

from typing import Any

from reports.data.view import RunView

MOST = 20  # sentences that a terminal shows; the page shows all


def unit_words(kind: str, spec: dict[str, Any]) -> str:
    model = spec.get("model")
    device = spec.get("device")
    parts = [kind, model["name"] if isinstance(model, dict) else "", spec.get("format"), spec.get("method"),
             spec.get("metric"), f"on {device['name']}" if isinstance(device, dict) else ""]  # fmt: skip
    return " ".join(str(part) for part in parts if part)


def damage_sentences(view: RunView) -> tuple[str, ...]:
    """What cannot be trusted of what the latest plan asked for: each unit and each blob by its name."""
    damage = view.damage
    blobs_of: dict[str, list[str]] = {}
    for sha256, makers in damage.of.items():
        for key in makers:
            blobs_of.setdefault(key, []).append(f"its file blobs/{sha256} {damage.blobs[sha256]}")
    of_units = [
        f"{unit_words(unit.kind, unit.spec)}: {wrong}"
        for unit in view.units
        for wrong in (*([damage.units[unit.key]] if unit.key in damage.units else []), *blobs_of.get(unit.key, []))
    ]
    return (*damage.run, *of_units)


def shortened(sentences: tuple[str, ...]) -> str:
    """Lines for a terminal."""
    more = len(sentences) - MOST
    return "\n".join(f"  {line}" for line in (*sentences[:MOST], *([f"and {more} more"] if more > 0 else [])))
