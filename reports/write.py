"""A run's report as files: the tables and the page."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.store import DamagedRun, StoreReader, read_store
from harness.store.atomic_files import remove_parts, write_together
from harness.store.blobs import Seen
from harness.store.folder import check_writable_files, output_errors_explained
from reports.data.files import csv_text
from reports.data.words import damage_sentences, shortened
from reports.sections.recommendation import Recommendation, recommend
from reports.sections.run_reader import read_run
from reports.tables import comparison
from reports.tables.scores import quality

TABLES = {
    "comparison": comparison.comparison,
    "quality": quality,
    "latency_samples": comparison.latency_samples,
    "devices": comparison.devices,
}
PAGE = "report.html"


class Report(NamedTuple):
    """Where the comparison and the page are, what of the run is damaged, and what to deploy."""

    table: Path
    page: Path
    damage: tuple[str, ...]
    recommendations: list[Recommendation]

    def check(self, run_folder: Path, *, hint: str) -> None:
        """Raises DamagedRun, for a report with gaps."""
        if self.damage:
            raise damaged(run_folder, self.damage, hint=hint)


def write_report(run_folder: Path, *, seen: Seen | None = None) -> Report:
    """Write comparison.csv, its companions and report.html into the run folder.

    All is made before anything is written, and all is written before anything is replaced: a reader, and a kill, meets
    old files or new ones. What of the run is damaged is named on the page and in the result; the rest is shown.
    seen  blobs that were intact when they were last read.
    """
    check_output(run_folder)
    contents, damage, recommendations = read_store(run_folder, _contents, seen=seen)
    remove_parts(run_folder)
    with output_errors_explained(f'report in "{run_folder}"'):
        write_together({run_folder / name: content for name, content in contents.items()})
    return Report(run_folder / "comparison.csv", run_folder / PAGE, damage, recommendations)


def check_output(run_folder: Path) -> None:
    """Whether a report can be written there, before work is begun that would end in one. Raises ConfigError."""
    check_writable_files(run_folder, (*(f"{table}.csv" for table in TABLES), PAGE))


def damaged(run_folder: Path, sentences: tuple[str, ...], *, hint: str) -> DamagedRun:
    what = f'run folder "{run_folder}": its content is damaged, and what depends on it is not shown:'
    return DamagedRun(f"{what}\n{shortened(sentences)}", hint=hint)


def _contents(store: StoreReader) -> tuple[dict[str, str], tuple[str, ...], list[Recommendation]]:
    from reports.page.page import render  # charts and templates

    tables = {f"{name}.csv": csv_text(make(store)) for name, make in TABLES.items()}
    run = read_run(store)
    return {**tables, PAGE: render(run)}, damage_sentences(run.view), recommend(run)
