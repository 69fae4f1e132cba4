"""A run's temporary folder is its own, and nothing of it stays behind, however the run ends."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.execution.scratch import scratch_folder
from harness.temporary import PREFIX
from tests.harness.execution.loopback import read_until
from tests.harness.execution.simulated import start


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for this process and for those that it starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_folder_is_for_its_owner_alone_and_gone_afterwards(temporary: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "deep" / "er").mkdir(parents=True)
    assert list(temporary.iterdir()) == []


def test_modules_are_not_looked_for_in_a_folder_that_is_gone() -> None:
    before = list(sys.path)
    with scratch_folder() as folder:
        sys.path[:0] = [str(folder), str(folder / "dask-scratch-space")]
    assert sys.path == before


def test_no_temporary_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with (
        pytest.raises(ConfigError, match=r"no temporary folder can be written: .*nowhere(.|\n)*TMPDIR="),
        scratch_folder(),
    ):
        pass


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_run_that_is_ended_leaves_nothing_or_what_the_next_one_removes(
    tmp_path: Path, temporary: Path, how: signal.Signals
) -> None:
    running = start(tmp_path / "run", 30, seconds=0.2)
    read_until(running, "simulating ")
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 1
    running.send_signal(how)
    running.communicate(timeout=60)
    if how == signal.SIGKILL:
        with scratch_folder():
            pass
    assert list(temporary.iterdir()) == []
