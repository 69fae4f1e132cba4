"""What each verb says of a damaged run: a sentence and the right exit code, never a traceback, never other numbers."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import BitlensError
from tests.reports.synthetic_runs import METHODS, TWINS, RunBuilder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of every sort of result, with its report."""
    run = RunBuilder(tmp_path_factory.mktemp("whole") / "run", image_count=3, accuracy_images=10, size=16)
    shown, tested = run.images(), run.images(purpose="accuracy")
    conversion = run.conversion(TWINS[0], "fp32")
    run.accuracy(TWINS[0], "fp32", tested, top1=0.9, conversion=conversion)
    for number in range(3):
        run.latency(TWINS[0], "fp32", conversion, round=number, samples=30)
    for method in METHODS[:2]:
        run.quality(run.saliency(TWINS[0], method, shown), shown, "insertion_auc", mean=0.6)
    folder = run.build(experiment_name="small", command="bitlens run small.toml")
    assert said(report(folder)) == ""
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def bitlens(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def report(folder: Path) -> Any:
    return bitlens("report", folder, "--markdown")


def said(done: Any) -> str:
    """The sentence of what went wrong; "" if nothing did. Anything but our own errors is a traceback."""
    if done.exception is None or isinstance(done.exception, SystemExit):
        return ""
    assert isinstance(done.exception, BitlensError), done.exception
    return str(done.exception)


def exit_code(done: Any) -> int:
    return done.exception.exit_code if isinstance(done.exception, BitlensError) else int(done.exit_code)


def tables(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.glob("*.csv"))}


def blob_of(folder: Path, kind: str) -> Path:
    database = sqlite3.connect(folder / "store.sqlite")
    (sha256,) = database.execute(
        "SELECT json_extract(result, '$.blob') FROM unit WHERE kind = ? AND result LIKE '%blob\":\"%'", (kind,)
    ).fetchone()
    database.close()
    return folder / "blobs" / str(sha256)


@pytest.mark.parametrize("how", ["altered", "cut short", "missing"])
@pytest.mark.parametrize("kind", ["saliency", "images", "conversion"])
def test_report_names_a_damaged_blob_on_the_page_and_in_the_terminal_and_shows_the_rest(
    run: Path, kind: str, how: str
) -> None:
    before, blob = tables(run), blob_of(run, kind)
    content = blob.read_bytes()
    if how == "missing":
        blob.unlink()
    else:
        blob.write_bytes(content[:-1] + b"x" if how == "altered" else content[:-1])
    done = bitlens("report", run, "--figures")
    assert exit_code(done) == 1
    what = "missing" if how == "missing" else "altered or cut short"
    assert f"its file blobs/{blob.name} is {what}" in said(done)
    page = (run / "report.html").read_text()
    assert page.index('id="damage"') < page.index('id="recommendation"')
    assert f"its file blobs/{blob.name} is {what}" in page
    assert tables(run) == before  # no number comes from a blob
    assert page.count(f"blobs/{blob.name}") >= (2 if kind != "conversion" else 1)  # also where the map would be
    blob.write_bytes(content)
    assert said(report(run)) == ""
    assert 'id="damage"' not in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE unit SET result = replace(result, '0', '1') WHERE kind = 'latency'", "latency planted-float fp32"),
        ("UPDATE score SET value = value / 2", "quality"),
        ("UPDATE prediction SET label = 3", "accuracy planted-float fp32"),
    ],
)
def test_no_number_of_an_altered_row_is_reported(run: Path, statement: str, what: str) -> None:
    before = (run / "comparison.csv").read_text()
    database = sqlite3.connect(run / "store.sqlite")
    with database:
        database.execute(statement)
    database.close()
    done = report(run)
    assert exit_code(done) == 1
    assert what in said(done)
    after = (run / "comparison.csv").read_text()
    for old, new in zip(before.splitlines()[1:], after.splitlines()[1:], strict=True):
        numbers = {cell for cell in old.split(",") if "." in cell or cell.isdigit()}
        assert {cell for cell in new.split(",") if "." in cell or cell.isdigit()} <= numbers | {"0", "1", "2"}


def test_compare_says_which_run_is_damaged_and_exits_with_1(run: Path, whole: Path) -> None:
    assert exit_code(bitlens("compare", whole, run)) == 0
    blob_of(run, "saliency").write_bytes(b"")
    done = bitlens("compare", whole, run, "--markdown")
    assert exit_code(done) == 1
    assert f'run folder "{run}": its content is damaged' in said(done)
    assert "| p50 " in done.output


WHOLE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(random.Random(0).randbytes(9000)),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
}


@pytest.mark.parametrize("how", WHOLE)
def test_what_is_no_run_is_a_request_error_of_every_verb_and_keeps_its_report(run: Path, whole: Path, how: str) -> None:
    before = tables(run), (run / "report.html").read_bytes()
    WHOLE[how](run / "store.sqlite")
    (run.parent / "small.toml").write_text('models = ["planted-float"]\n[dataset]\nkind = "planted"\n')
    for arguments in (
        ("report", run),
        ("report", run, "--figures"),
        ("compare", whole, run),
        ("compare", run, whole),
        ("plan", run.parent / "small.toml", "--out", run),
        ("run", run.parent / "small.toml", "--out", run, "--workers", "0"),
        ("convert", run.parent / "small.toml", "--out", run, "--workers", "0"),
    ):
        done = bitlens(*arguments)
        assert exit_code(done) == 2, arguments
        assert "store.sqlite" in said(done)
    assert (tables(run), (run / "report.html").read_bytes()) == before


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_leave_the_reported_numbers_or_are_said(run: Path, seed: int) -> None:
    rng, before, database = random.Random(seed), tables(run), (run / "store.sqlite").read_bytes()
    for _ in range(6):
        content = bytearray(database)
        at = rng.randrange(len(content))
        content[at : at + 16] = rng.randbytes(len(content[at : at + 16]))
        (run / "store.sqlite").write_bytes(content)
        assert said(report(run)) or tables(run) == before


def test_a_folder_that_is_no_run_stays_empty(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new"):
        assert exit_code(report(folder)) == 2
    assert not list(tmp_path.iterdir())
