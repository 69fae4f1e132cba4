"""Folders that cannot be written are one sentence before work begins; what only reads needs no more than to read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from reports.page.serve import RunsServer
from tests.harness.small_experiment import EXPERIMENT
from tests.plain_user import bitlens, obey_modes
from tests.reports.recorded_results import RECORDED
from tests.reports.synthetic_runs import TWINS, RunBuilder

try:
    subprocess.run(["true"], preexec_fn=obey_modes, check=True)
except subprocess.SubprocessError:
    pytest.skip("needs the right to give up rights: PR_CAPBSET_DROP", allow_module_level=True)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """With a folder `fixed` that cannot be written, an experiment and a picture."""
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    fixed = tmp_path / "fixed"
    run = RunBuilder(fixed)
    run.latency(TWINS[0], "fp32", run.conversion(TWINS[0], "fp32"))
    run.build()
    fixed.chmod(0o555)
    yield tmp_path
    fixed.chmod(0o755)


@pytest.mark.parametrize(
    "verb", ["run small.toml", "plan small.toml", "convert small.toml", "explain planted-float a.png"]
)
def test_folder_that_cannot_be_written_is_refused_before_work_begins(place: Path, verb: str) -> None:
    before = sorted(place.rglob("*"))
    done = bitlens(*verb.split(), "--out", "fixed/new" if "explain" in verb else "fixed", cwd=place)
    assert done.returncode == 2
    assert "it cannot be written (Permission denied)\n  try: " in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(place.rglob("*")) == before


def test_report_into_a_run_that_cannot_be_written_is_refused_and_comparing_it_is_not(place: Path) -> None:
    done = bitlens("report", "fixed", cwd=place)
    assert (done.returncode, "it cannot be written (Permission denied)" in done.stderr) == (2, True)
    done = bitlens("compare", "fixed", "fixed", "--all", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "flatbuffer_bytes" in done.stdout


def test_run_whose_database_may_not_be_read_says_so(place: Path) -> None:
    (place / "fixed" / "store.sqlite").chmod(0)
    done = bitlens("compare", "fixed", "fixed", cwd=place)
    assert done.returncode == 2
    assert "its store.sqlite cannot be read (Permission denied)" in done.stderr


@pytest.mark.parametrize("name", ["report.html", "comparison.csv", "devices.csv"])
def test_folder_in_the_place_of_a_file_of_the_report_is_refused_before_work_begins(place: Path, name: str) -> None:
    (place / "new" / name).mkdir(parents=True)
    done = bitlens("run", "small.toml", "--out", "new", cwd=place)
    assert done.returncode == 2
    assert f'new/{name}": expected a file, or nothing, got a folder' in done.stderr


def test_serving_runs_of_a_folder_that_cannot_be_written_shows_them(tmp_path: Path) -> None:
    """With the modes alone, which root may ignore; that no file is made is tested in test_report_serve.py."""
    folder = Path(shutil.copytree(RECORDED / "schema2", tmp_path / "runs" / "mine"))
    folder.chmod(0o555)
    try:
        with RunsServer(tmp_path / "runs") as server:
            assert "mine: 173 done" in server.index()
    finally:
        folder.chmod(0o755)
