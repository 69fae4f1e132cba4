"""A run's temporary folder is its own, and nothing of it stays behind, however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.execution.scratch import PREFIX, scratch_folder
from tests.harness.execution.loopback import read_until
from tests.harness.execution.simulated import start

HOLD = (
    "from harness.execution.scratch import scratch_folder\nwith scratch_folder() as f:\n print(f, flush=True)\n input()"
)


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


def test_folder_of_a_process_that_was_killed_goes_with_the_next_run_and_that_of_one_that_lives_stays() -> None:
    held = [subprocess.Popen([sys.executable, "-c", HOLD], stdin=-1, stdout=-1, text=True) for _ in range(2)]
    killed, alive = [Path(process.stdout.readline().strip()) for process in held if process.stdout]
    held[0].kill()
    held[0].wait()
    assert killed.exists()
    with scratch_folder():
        assert not killed.exists()
        assert alive.exists()
    held[1].communicate("\n")
    assert not alive.exists()


@pytest.mark.parametrize("what", ["folder that others may read", "link", "file", "folder of another name"])
def test_what_is_not_a_folder_of_a_run_stays(temporary: Path, tmp_path: Path, what: str) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    (mine / "letter").write_text("dear")
    found = temporary / (PREFIX + "x")
    if what == "link":
        found.symlink_to(mine)
    elif what == "file":
        found.write_text("dear")
    elif what == "folder of another name":
        found = temporary / "bitlens-runs"
        found.mkdir(mode=0o700)
    else:
        found.mkdir(mode=0o755)
    with scratch_folder():
        pass
    assert os.path.lexists(found)
    assert (mine / "letter").read_text() == "dear"


def test_folder_that_another_run_removes_before_it_is_locked_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[Path] = []

    def lock_too_late(descriptor: int, how: int) -> None:
        if not removed:
            removed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            removed[0].rmdir()

    monkeypatch.setattr("fcntl.flock", lock_too_late)
    with scratch_folder() as folder:
        assert folder.exists()
        assert folder not in removed


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
