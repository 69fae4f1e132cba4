"""The commands report and compare, as a person calls them."""

from __future__ import annotations

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


@pytest.mark.parametrize("arguments", [["compare", "only-one"], ["compare", "a", "b", "--fail-if", "p50"]])
def test_a_wrong_request_says_what_was_expected(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, ConfigError)
    assert "expected" in str(done.exception)
