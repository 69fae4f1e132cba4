"""Files out of tables: CSV that spreadsheets cannot execute, and writing that never shows half a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd

from harness.store import Store
from reports.tables import comparison
from reports.tables.scores import quality

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute a cell that begins so


def write_report(run_folder: Path) -> tuple[Path, Path]:
    """Write comparison.csv, its companions and report.html into the run folder. Returns the paths of these two.

    Each file is written beside its place and renamed, so that a reader never sees half of one.
    """
    from reports.page.page import render  # charts and templates

    with Store(run_folder) as store:
        written = write_tables(store, run_folder)
        page = write_atomically(run_folder / "report.html", render(store))
    return written["comparison"], page


def write_tables(store: Store, folder: Path) -> dict[str, Path]:
    """Write every CSV of the schema. Returns their paths by table name."""
    makers = {
        "comparison": comparison.comparison,
        "quality": quality,
        "latency_samples": comparison.latency_samples,
        "devices": comparison.devices,
    }
    return {name: write_atomically(folder / f"{name}.csv", csv_text(make(store))) for name, make in makers.items()}


def csv_text(table: pd.DataFrame) -> str:
    """RFC 4180 with LF ends, empty for unknown. Text that a spreadsheet would execute gets a leading apostrophe."""
    text_columns = table.select_dtypes(include=["string", "object"]).columns
    safe = table.assign(**{name: table[name].map(_harmless, na_action="ignore") for name in text_columns})
    return safe.rename(columns=_harmless).to_csv(index=False, lineterminator="\n")


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write beside and rename: a reader, or a kill, never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
