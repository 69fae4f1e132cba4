"""A run's report as files: the tables and the page."""

from __future__ import annotations

from pathlib import Path

from harness.store import Store
from reports.data.files import csv_text, write_atomically
from reports.tables import comparison
from reports.tables.scores import quality


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
