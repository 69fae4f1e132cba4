"""Stopping a run by the keys of a terminal, or as the system does: the command that is named then goes on."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harness.store.run_log import LOG
from tests.harness.cli.terminal import CTRL_C, Terminal
from tests.harness.cli.test_run import shell
from tests.harness.small_experiment import EXPERIMENT

TIMED_EXPERIMENT = f"""{EXPERIMENT}
[latency]
rounds = 1
min_seconds = 0.1
"""
STOPPED = r"bitlens: stopped; all that was finished is kept\r?\n  try: (.*?)\r?\n"
Stop = Callable[[Terminal], None]


def press_ctrl_c(terminal: Terminal) -> None:
    terminal.press(CTRL_C)


def terminate(terminal: Terminal) -> None:
    os.kill(terminal.pid, signal.SIGTERM)


def done_in(folder: Path) -> dict[str, str]:
    """The keys of the units that are done, with when each was."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as database:
        return dict(database.execute("SELECT key, finished_at FROM unit WHERE status = 'done'"))


@pytest.mark.parametrize(
    ("stop", "status"), [(press_ctrl_c, 130), pytest.param(terminate, 143, marks=pytest.mark.slow)]
)
def test_the_command_that_a_stopped_run_names_goes_on_and_loses_nothing(
    tmp_path: Path, stop: Stop, status: int
) -> None:
    folder = tmp_path / "it's a study"
    folder.mkdir()
    (folder / "small.toml").write_text(TIMED_EXPERIMENT)
    with Terminal(["run", "small.toml", "--workers", "0", "--verbose"], folder=folder, NO_COLOR="1") as terminal:
        terminal.wait_for("in all 3 of ")
        stop(terminal)
        assert terminal.end() == status
        [command] = re.findall(STOPPED, terminal.shown)
        assert "Traceback" not in terminal.shown
    before = done_in(folder / "runs" / "small")
    assert before
    again = shell(command, folder)
    assert again.returncode == 0, again.stderr
    after = done_in(folder / "runs" / "small")
    assert before.items() < after.items()  # what was done is not done again
    log = (folder / "runs" / "small" / LOG).read_text()
    assert "  ended by KeyboardInterrupt\n" in log
    assert log.count("  command: cd ") == 2
    assert log.endswith("  report  runs/small/report.html\n")
