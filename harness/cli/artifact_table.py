"""The table of a run's artifacts, a row for each model and format: what `bitlens convert` prints and the docs show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.cli.inspection_text import readable_macs
from harness.cli.text import Rows
from harness.store.store_reader import StoreReader, read_store
from harness.store.units import StoredUnit
from reports.data.aligned import aligned

HEAD = (
    "model",
    "format",
    "bytes",
    "top-1 agreement",
    "max logit difference",
    "of their spread",
    "MACs",
    "seconds",
    "fidelity",
)


def rows(folder: Path) -> Rows:
    """What the latest plan's conversions made, in order. A number that there is not yet is None."""
    return read_store(folder, _rows)


def _rows(store: StoreReader) -> Rows:
    fidelity = {unit.needs["conversion"]: unit for unit in store.planned_units("fidelity")}
    return [_row(unit, fidelity.get(unit.key)) for unit in store.planned_units("conversion")]


def _row(conversion: StoredUnit, fidelity: StoredUnit | None) -> dict[str, Any]:
    made, compared = conversion.result, fidelity.result if fidelity else {}
    names = ("images", "top1_agreement", "near_ties", "compared", "max_abs_logit_difference", "relative_difference")
    return {
        "model": conversion.spec["model"]["name"],
        "weights": conversion.spec["model"]["weights"],
        "format": conversion.spec["format"],
        "status": conversion.status,
        "flatbuffer_bytes": made.get("flatbuffer_bytes"),
        "macs": made.get("contents", {}).get("macs", {}),
        "macs_unknown": made.get("contents", {}).get("macs_unknown", {}),
        "parameters": made.get("contents", {}).get("parameters"),
        "arena_bytes": made.get("contents", {}).get("arena_bytes"),
        "seconds": conversion.seconds,
        "peak_rss_bytes": made.get("peak_rss_bytes"),
        "mark": made.get("mark", ""),
        "note": made.get("note", ""),
        **{name: compared.get(name) for name in names},
        "fidelity": compared.get("status") or (fidelity.status if fidelity else None),
        "reason": conversion.reason or (fidelity.reason if fidelity else "") or compared.get("reason", ""),
    }


def as_json(table: Rows) -> str:
    return json.dumps(table, indent=1)


def as_text(table: Rows) -> str:
    """A line for each row; under them what an artifact does not do, and the reason for what is not in order."""
    said = [f"{row['model']} {row['format']}: {row[name]}" for row in table for name in ("note", "reason") if row[name]]
    return "\n".join([aligned(HEAD, map(_line, table)), *said])


def as_markdown(table: Rows) -> str:
    rule = ["---", "---", *["--:"] * (len(HEAD) - 3), "---"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, rule, *map(_line, table)))


def _line(row: Mapping[str, Any]) -> list[str]:
    agreement = row["top1_agreement"]
    ties = f" ({row['near_ties']} near-ties)" if row["near_ties"] else ""
    return [
        row["model"],
        row["format"],
        f"{row['flatbuffer_bytes']:,}" if row["flatbuffer_bytes"] else row["status"],
        "" if agreement is None else f"{agreement:.1%}{ties}",
        _number(row["max_abs_logit_difference"]),
        "" if row["relative_difference"] is None else f"{row['relative_difference']:.2%}",
        readable_macs(row["macs"], row.get("macs_unknown")),
        "" if row["seconds"] is None else f"{row['seconds']:.1f}" if row["seconds"] >= 0.05 else "< 0.1",
        row["fidelity"] or "",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
