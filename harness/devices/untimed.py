"""What a record of measuring holds where nothing was timed: blanks, never zeros."""

from __future__ import annotations

from typing import Any

NO_TIME: dict[str, Any] = {
    "samples_ns": [],
    "warmup_ns": [],
    "first_run_ns": None,
    "steady": None,
    "peak_rss_bytes": None,
    "major_page_faults": None,
    "instructions": None,
}


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    """What an emulated device says besides its time, such as its memory."""
    blanks = {name: NO_TIME[name] for name in ("samples_ns", "warmup_ns", "first_run_ns", "steady")}
    conditions = {**record["circumstances"], "during": []}
    return {**record, **blanks, "import_ns": None, "load_ns": None, "energy": None, "circumstances": conditions}
