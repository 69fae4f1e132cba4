"""The CSV files of a run: a golden one, what pandas reads back, and their documentation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.tables.csv_docs import csv_markdown
from reports.write import write_report
from tests.reports.synthetic_runs import BOARD, TWINS, RunBuilder


def test_the_csv_of_a_run_equals_the_golden_file(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path, seed=7)
    conversion, images = run.conversion(TWINS[1], "lce"), run.images(purpose="accuracy")
    run.accuracy(TWINS[1], "keras", images, top1=0.9, device=None, runtime="tensorflow")
    run.accuracy(TWINS[1], "lce", images, top1=0.88, conversion=conversion, device=BOARD)
    run.latency(TWINS[1], "lce", conversion, device=BOARD, samples=30)
    run.latency(TWINS[1], "int8", run.conversion(TWINS[1], "int8", reason="not supported"), outcome="planned")
    table, *_ = write_report(run.build())
    golden = Path(__file__).parents[1] / "golden" / "comparison.csv"
    assert table.read_text() == golden.read_text(), f"if it should differ: cp {table} {golden}"


def test_csvs_survive_a_round_trip_through_pandas(twins_folder: Path, table: pd.DataFrame) -> None:
    path, *_ = write_report(twins_folder)
    again = pd.read_csv(path, dtype_backend="numpy_nullable")
    assert list(again.columns) == list(table.columns)
    assert again["latency_p99_ns"].equals(table["latency_p99_ns"])
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_the_documented_columns_are_the_written_ones() -> None:
    documented = Path(__file__).parents[3] / "docs" / "csv.md"
    assert documented.read_text() == csv_markdown(), "run: python -m reports.tables.csv_docs > docs/csv.md"
