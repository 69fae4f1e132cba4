"""A run's report as files: the tables and the page."""

from __future__ import annotations

from pathlib import Path

from harness.store import StoreReader, read_store
from harness.store.atomic_files import remove_parts, write_together
from harness.store.blobs import Seen
from harness.store.folder import output_errors_explained
from reports.data.files import csv_text
from reports.data.words import damage_sentences
from reports.sections.recommendation import recommend
from reports.sections.run_reader import read_run
from reports.sections.verdict_text import verdict_text
from reports.tables import comparison
from reports.tables.device_facts import devices
from reports.tables.scores import quality
from reports.written import PAGE, VERDICT, Report, check_output, report_in, sealed

_MADE_BY = {
    "comparison": comparison.comparison,
    "quality": quality,
    "latency_samples": comparison.latency_samples,
    "devices": devices,
}


def write_report(run_folder: Path, *, seen: Seen | None = None) -> Report:
    """Write comparison.csv, its companions and report.html into the run folder.

    All is made before anything is written, and all is written before anything is replaced: a reader, and a kill, meets
    old files or new ones. What of the run is damaged is named on the page and in the result; the rest is shown.
    seen  blobs that were intact when they were last read.
    """
    check_output(run_folder)
    contents, damage = read_store(run_folder, _contents, seen=seen)
    remove_parts(run_folder)
    with output_errors_explained(f'report in "{run_folder}"'):
        write_together({run_folder / name: content for name, content in contents.items()})
    return report_in(run_folder, damage)


def _contents(store: StoreReader) -> tuple[dict[str, str], tuple[str, ...]]:
    from reports.page.page import render  # charts and templates

    tables = {f"{name}.csv": csv_text(make(store)) for name, make in _MADE_BY.items()}
    run = read_run(store)
    files = {**tables, VERDICT: verdict_text(recommend(run)), PAGE: render(run)}
    return sealed(store, files), damage_sentences(run.view)
