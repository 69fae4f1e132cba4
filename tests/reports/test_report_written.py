"""A report that is there is left as it is exactly where writing it again would change nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store import Store
from reports import written
from reports.write import write_report
from reports.written import current_report
from tests.reports.example_runs import twins_run


@pytest.fixture(scope="module")
def reported(twins_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(twins_folder, folder)
    write_report(folder)
    return folder


@pytest.fixture
def run(reported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reported, tmp_path / "run"))


def test_report_of_the_store_as_it_is_is_current(run: Path) -> None:
    assert current_report(run) == write_report(run)


def test_run_without_a_report_has_no_current_one(tmp_path: Path) -> None:
    assert current_report(twins_run(tmp_path / "run")) is None


def appended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def changed(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])


def without_last_line(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def link(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("elsewhere")))


DISTURBED: dict[str, Callable[[Path], object]] = {
    "a page that was altered": lambda run: changed(run / "report.html"),
    "a page with more behind its end": lambda run: appended(run / "report.html"),
    "a page without its seal": lambda run: without_last_line(run / "report.html"),
    "an empty page": lambda run: (run / "report.html").write_text(""),
    "a page that is a link": lambda run: link(run / "report.html"),
    "a table that was altered": lambda run: changed(run / "quality.csv"),
    "a table that is gone": lambda run: (run / "comparison.csv").unlink(),
    "a blob that is gone": lambda run: next((run / "blobs").iterdir()).unlink(),
    "another fact about the run": lambda run: with_meta(run),
}


def with_meta(run: Path) -> None:
    with Store(run) as store:
        store.set_meta("command", "another")


@pytest.mark.parametrize("what", DISTURBED)
def test_report_is_not_current_with(run: Path, what: str) -> None:
    DISTURBED[what](run)
    assert current_report(run) is None


def test_report_of_other_code_is_not_current(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "_code", lambda: "of another version")
    assert current_report(run) is None
