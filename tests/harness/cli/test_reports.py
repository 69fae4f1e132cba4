"""The commands report and compare, as a person calls them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import ConfigError
from tests.reports.synthetic_runs import TWINS, RunBuilder


def run(folder: Path, p50_ms: float) -> str:
    built = RunBuilder(folder, seed=int(p50_ms))
    conversion = built.conversion(TWINS[0], "fp32")
    for number in range(4):
        built.latency(TWINS[0], "fp32", conversion, p50_ms=p50_ms, round=number, samples=30)
    return str(built.build())


def test_report_writes_the_files_and_says_where(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", run(tmp_path / "a", 5), "--markdown"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a" / "report.html").is_file()
    assert str(tmp_path / "a" / "comparison.csv") in done.output
    assert "| planted-float | fp32" in done.output


def test_report_of_a_folder_that_is_not_a_run_is_a_request_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert "found no store.sqlite" in str(done.exception)


def test_a_broken_gate_exits_with_1_and_a_kept_one_with_0(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", 5), run(tmp_path / "b", 8)]
    broken = CliRunner().invoke(app, ["compare", *folders, "--fail-if", "p50 > +5%"])
    assert broken.exit_code == 1
    assert "fail          p50 > +5%: planted-float fp32 on this-host" in broken.output
    kept = CliRunner().invoke(app, ["compare", *folders, "--fail-if", "p50 > +200%"])
    assert kept.exit_code == 0, kept.output


def test_compare_counts_first_and_lists_what_changed(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", 5), run(tmp_path / "b", 8)]
    counted, _, *lines = CliRunner().invoke(app, ["compare", *folders]).stdout.splitlines()
    assert counted.startswith("b against a: ")
    assert " worse" in counted
    changed = [line for line in lines if line.startswith("worse ")]
    assert len(changed) == int(counted.split(": ")[1].split()[0])
    everything = CliRunner().invoke(app, ["compare", *folders, "--all"]).stdout.splitlines()
    assert len(everything) == 2 + sum(int(part.split()[0]) for part in counted.split(": ")[1].split(", "))


def test_compare_for_programs_has_all_differences_and_the_gates(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", 5), run(tmp_path / "b", 8)]
    told = json.loads(CliRunner().invoke(app, ["compare", *folders, "--json", "--fail-if", "p50 > +5%"]).stdout)
    p50 = next(each for each in told["differences"] if each["measure"] == "p50")
    assert (p50["verdict"], p50["model"], p50["unit"]) == ("worse", "planted-float", "relative")
    assert p50["change_low"] < p50["change"] < p50["change_high"]
    assert p50["change"] == pytest.approx(p50["after"] / p50["before"] - 1)
    assert [(gate["gate"], gate["outcome"]) for gate in told["gates"]] == [("p50 > +5%", "fail")]
    rows = list(csv.DictReader(CliRunner().invoke(app, ["compare", *folders, "--csv"]).stdout.splitlines()))
    assert [row["measure"] for row in rows] == [each["measure"] for each in told["differences"]]


@pytest.mark.parametrize(
    "arguments",
    [["compare", "one"], ["compare", "a", "b", "--fail-if", "p50"], ["compare", "a", "b", "--csv", "--json"]],
)
def test_a_wrong_request_says_what_was_expected(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, ConfigError)
    assert "expected" in str(done.exception)
