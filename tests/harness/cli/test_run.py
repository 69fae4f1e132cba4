"""`bitlens run`: the command that its report shows repeats the run, from any folder."""

from __future__ import annotations

import html
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import ConfigError, counted
from harness.execution import coordinator
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.store import Store
from harness.store.folder import removed_if_refused
from reports.write import write_report
from tests.harness.small_experiment import EXPERIMENT

SENTENCE = "This command repeats the run"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line as a person gives it to a shell, with this environment's bitlens."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        line, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300
    )


def test_command_on_the_page_finds_all_done_from_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "it's a study"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "small.toml").write_text(EXPERIMENT)
    first = shell("bitlens run files/small.toml --workers 0 --retry-failed", folder)
    assert first.returncode == 0, first.stderr
    with Store(folder / "runs" / "small") as store:
        command = str(store.meta("command"))
    assert command.endswith("&& bitlens run files/small.toml --workers 0 --retry-failed")
    page = (folder / "runs" / "small" / "report.html").read_text()
    assert f"{SENTENCE}, or continues it: <code>{command}</code>" in html.unescape(page)
    again = shell(command, tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stderr.endswith(" 0 to do\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]
    assert_nothing_is_made_again(folder)


def assert_nothing_is_made_again(folder: Path) -> None:
    """The same command leaves its report as it is, and imports nothing of what computes or draws."""
    page = folder / "runs" / "small" / "report.html"
    before = page.stat()
    code = (
        "import sys; sys.argv = ['bitlens', 'run', 'files/small.toml', '--workers', '0', '--retry-failed']\n"
        "from harness.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code\n"
        "heavy = {'tensorflow', 'larq', 'pandas', 'altair', 'vl_convert', 'matplotlib', 'scipy.stats', 'distributed'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (page.stat().st_ino, page.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_page_shows_no_command_where_the_run_was_started_without_one(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    experiment, alone = read_experiment(tmp_path / "small.toml"), WorkerConfig(workers=0)
    for command, times in (("bitlens run small.toml", 1), ("", 0)):
        coordinator.run(experiment, tmp_path / "run", stages=(), worker_config=alone, command=command)
        page = write_report(tmp_path / "run").page
        assert page.read_text().count(SENTENCE) == times


@pytest.mark.parametrize("verb", ["run", "plan", "convert"])
def test_a_refused_run_leaves_no_folder_behind(tmp_path: Path, verb: str) -> None:
    (tmp_path / "large.toml").write_text(EXPERIMENT.replace("images = 8", "images = 50_000"))
    refused = CliRunner().invoke(app, [verb, str(tmp_path / "large.toml"), "--out", str(tmp_path / "runs" / "large")])
    assert isinstance(refused.exception, ConfigError)
    assert "[accuracy] images: 50,000 images" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["large.toml"]


def test_a_refusal_leaves_a_folder_that_was_there_and_results_of_this_run(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ConfigError), removed_if_refused(tmp_path / "mine"):
        raise ConfigError("no")
    assert (tmp_path / "mine" / "notes.txt").exists()
    experiment, folder = read_experiment(tmp_path / "small.toml"), tmp_path / "runs" / "small"

    def refused_in_the_end() -> None:
        with removed_if_refused(folder):
            coordinator.run(experiment, folder, stages=("conversion",), worker_config=WorkerConfig(workers=0))
            raise ConfigError("no")

    with pytest.raises(ConfigError):
        refused_in_the_end()
    assert (folder / "store.sqlite").exists()


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 units of work"), (1, "1 unit of work"), (2000, "2,000 units of work")]
)
def test_units_are_counted_in_words(number: int, words: str) -> None:
    assert counted(number, "unit of work") == words
