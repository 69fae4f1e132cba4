"""The CSV files of a run: a golden one, what pandas reads back, and their documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from reports.tables.columns import TABLES
from reports.tables.csv_docs import csv_markdown
from reports.write import write_report
from tests.reports.synthetic_runs import BOARD, TWINS, RunBuilder

ROOT = Path(__file__).parents[3]


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


OF_SCORES = r"\w+\[[^\]]+\]_(mean|low|high)"  # columns of comparison.csv, one for each method and metric


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_a_file_is_documented_and_every_documented_one_is_there(twins_folder: Path, name: str) -> None:
    write_report(twins_folder)
    header = list(pd.read_csv(twins_folder / f"{name}.csv", nrows=0).columns)
    section = (ROOT / "docs" / "csv.md").read_text().split(f"## {name}.csv\n")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert [column for column in header if not re.fullmatch(OF_SCORES, column)] == documented
    assert len(set(header)) == len(header)


FILES = "|".join(TABLES)
ELSEWHERE = {
    "wait_s",
    "delegation",
    "bench",
    "formats",
    "sampled_every",
}  # keys and fields
WORDS = {"tflite", "away", "valid", "suspect", "invalid"}  # values
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_column_that_a_page_names_exists(page: Path) -> None:
    columns = {column.name for table in TABLES.values() for column in table}
    for paragraph in re.split(r"\n\s*\n", page.read_text()):
        if re.search(rf"({FILES})\.csv", paragraph) and page.name != "csv.md":
            named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)*)`", paragraph))
            assert not named - columns - ELSEWHERE - WORDS, paragraph


def test_rows_stand_in_the_order_of_the_experiment_whatever_was_measured_first(tmp_path: Path) -> None:
    tables = []
    for number, threads in enumerate([(1, 2, 4), (4, 1, 2)]):
        run = RunBuilder(tmp_path / str(number))
        int8, fp32 = (run.conversion(TWINS[0], name) for name in ("int8", "fp32"))
        for count in threads:
            run.latency(TWINS[0], "fp32", fp32, threads=count, samples=10)
            run.latency(TWINS[0], "int8", int8, threads=count, samples=10)
        write_report(run.build())
        names = ["format", "num_threads"]
        for file, more in (("comparison", []), ("latency_samples", ["round", "phase", "index"])):
            tables.append(pd.read_csv(tmp_path / str(number) / f"{file}.csv")[[*names, *more]])
    assert list(tables[0].itertuples(index=False, name=None)) == [(f, n) for f in ("int8", "fp32") for n in (1, 2, 4)]
    pd.testing.assert_frame_equal(tables[0], tables[2])
    pd.testing.assert_frame_equal(tables[1], tables[3])


def test_samples_say_which_runtime_and_delegates_ran(twins_folder: Path) -> None:
    write_report(twins_folder)
    samples = pd.read_csv(twins_folder / "latency_samples.csv")
    ran = pd.read_csv(twins_folder / "comparison.csv").set_index(["model", "format", "device", "num_threads"])
    assert "auto" not in set(samples["runtime"])
    for (*row, runtime, version), _ in samples.groupby([*ran.index.names, "runtime", "runtime_version"]):
        assert list(ran.loc[tuple(row)][["runtime", "runtime_version"]].to_numpy().flat)[:2] == [runtime, version]
