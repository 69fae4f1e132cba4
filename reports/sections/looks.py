"""What the legends of a run's charts list."""

from __future__ import annotations

from reports.drawing.encodings import FAMILIES, Look
from reports.sections.run_data import RunData


def look_of(run: RunData) -> Look:
    present = {row["family"] for row in run.rows}
    choice = run.choices[0] if run.choices else None
    return Look(
        families=tuple(family for family in FAMILIES if family in present),
        formats=run.formats,
        explanation=f"{choice['text']}, {choice['better']} is better" if choice else "",
        lower_is_better=choice is not None and choice["better"] == "lower",
    )
